# Runs a PostgreSQL of its own for as long as somebody holds this script's standard input open, then stops
# it and removes all of it. Says "ready FOLDER", the folder of its socket, or why it could not start.
#
#   start-postgres.sh [SETTING=VALUE..]
#
# Lines of standard input are commands, each answered by a line: "stop fast" or "stop immediate", which is
# how it would crash, and "start".
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

if ! output=$($as initdb --pgdata="$folder/data" --username=tagates --auth=trust --encoding=UTF8 --no-locale \
    --no-sync 2>&1); then
    echo "$output"
    exit 1
fi
# What is tested is not whether a disk keeps its word, so by default nothing waits for one.
settings="-c listen_addresses='' -c unix_socket_directories='$folder' -c fsync=off -c max_connections=200"
for setting in "$@"; do
    settings="$settings -c $setting"
done
start() {
    $as pg_ctl --pgdata="$folder/data" --log="$folder/log" --wait --silent --options="$settings" start </dev/null
}
if ! start; then
    cat "$folder/log"
    exit 1
fi
echo "ready $folder"
while read -r command argument; do
    case $command in
    stop) $as pg_ctl --pgdata="$folder/data" --wait --silent --mode="$argument" stop && echo stopped ;;
    start) start && echo started ;;
    esac
done
