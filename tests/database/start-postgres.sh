# Runs a PostgreSQL of its own for as long as somebody holds this script's standard input open, then stops
# it and removes all of it. Says "ready FOLDER", the folder of its socket, or why it could not start.
#
# Whatever becomes of the tests, a panic or a kill -9, the system closes what they held open.
cd /
newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH="$PATH:$newest"
if ! command -v initdb >/dev/null || ! command -v pg_ctl >/dev/null; then
    echo "PostgreSQL's server programs are missing: apt-get install postgresql, or set DATABASE_URL"
    exit 1
fi
# The server refuses to run as root.
as=
[ "$(id -u)" = 0 ] && as="setpriv --reuid=nobody --regid=nogroup --clear-groups"

folder=$($as mktemp -d /tmp/tagates-postgres.XXXXXX) || exit 1
finish() {
    $as pg_ctl --pgdata="$folder/data" --mode=immediate --silent stop
    $as rm -rf "$folder"
}
trap finish EXIT
trap '' HUP INT TERM

# What is tested is not whether a disk keeps its word, so nothing waits for one.
if ! output=$($as initdb --pgdata="$folder/data" --username=tagates --auth=trust --encoding=UTF8 --no-locale \
    --no-sync 2>&1); then
    echo "$output"
    exit 1
fi
settings="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c max_connections=200"
if ! $as pg_ctl --pgdata="$folder/data" --log="$folder/log" --wait --silent --options="$settings" start \
    </dev/null; then
    cat "$folder/log"
    exit 1
fi
echo "ready $folder"
cat >/dev/null
