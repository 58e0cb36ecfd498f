# tagates in a container, on the CPU or on CUDA 13:
#
#   docker build --target cpu --tag tagates:cpu .
#   docker build --target cuda --tag tagates:cuda .
#   docker run --read-only --volume tagates:/data --publish 127.0.0.1:50051:50051 tagates:cpu
#
# Runs as uid 10001, writes nothing outside /data, and that only where no PostgreSQL is given. Checked by
# scripts/container-check.

FROM rust:1.95-slim-bookworm AS toolchain
WORKDIR /src

# What both targets run in. The binary needs only glibc, and the certificates to trust a PostgreSQL by.
FROM debian:bookworm-slim AS runtime
COPY --from=toolchain /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
RUN install -d -o 10001 -g 10001 /data
# SQLite sorts in files where memory is short, and nothing else can be written to.
ENV SQLITE_TMPDIR=/data
USER 10001:10001
EXPOSE 50051
ENTRYPOINT ["tagates"]
CMD ["serve", "--listen=0.0.0.0:50051", "--data-dir=/data"]

# The dependencies, compiled with an empty program: they stay in the cache until Cargo.toml or Cargo.lock changes.
FROM toolchain AS cpu-dependencies
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir benches src \
    && touch benches/scoring.rs src/lib.rs \
    && echo 'fn main() {}' >src/main.rs \
    && cp src/main.rs build.rs \
    && cargo build --release --locked

# Cargo takes what is older than its last build for built: hence `touch`.
FROM cpu-dependencies AS cpu-build
COPY . .
RUN touch build.rs src/lib.rs src/main.rs \
    && cargo build --release --locked

# The same with CUDA. Its compiler and libraries are Python wheels, so no base image of gigabytes is needed.
FROM toolchain AS cuda-dependencies
# The compiler's version is that of the base image.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ python3-pip \
    && rm -rf /var/lib/apt/lists/*
# What is opened at run time where a GPU is; libcuda, the driver's, comes from the node.
RUN pip install --no-cache-dir --no-deps --target /wheels nvidia-cublas==13.0.2.14 nvidia-curand==10.4.0.35 \
    && rm /wheels/nvidia/cu13/lib/libnvblas.* \
    && mv /wheels/nvidia/cu13/lib /cuda \
    && rm -r /wheels
# The oldest GPU it is for, 80 being an A100 and 90 an H100.
ARG CUDA_COMPUTE_CAP=80
ENV CUDA_COMPUTE_CAP=$CUDA_COMPUTE_CAP
COPY .cargo .cargo
COPY scripts scripts
COPY Cargo.toml Cargo.lock ./
RUN mkdir benches src \
    && touch benches/scoring.rs src/lib.rs \
    && echo 'fn main() {}' >src/main.rs \
    && cp src/main.rs build.rs \
    && scripts/cuda-build /out

FROM cuda-dependencies AS cuda-build
COPY . .
RUN touch build.rs src/lib.rs src/main.rs \
    && scripts/cuda-build /out

FROM runtime AS cuda
COPY --from=cuda-build /cuda /usr/local/lib/cuda
ENV LD_LIBRARY_PATH=/usr/local/lib/cuda
COPY --from=cuda-build /out/tagates /usr/local/bin/

# The last one, so that it is what is built where no target is named.
FROM runtime AS cpu
COPY --from=cpu-build /src/target/release/tagates /usr/local/bin/
