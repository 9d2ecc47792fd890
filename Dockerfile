# syntax=docker/dockerfile:1

# Builder and final image are both Debian 12, so that the binary finds the glibc that it was linked against.
FROM rust:1.95-bookworm AS builder
WORKDIR /src

# For example --no-default-features.
ARG CARGO_FLAGS=""

# The dependencies first, with stubs for our own sources: this layer is rebuilt only when a dependency changes. Declared
# benches, tests and examples are left out of the manifest here, because cargo insists that their files exist. The registry is
# a cache mount; target/ is not, so that the compiled dependencies are in the layer also where cache mounts are not kept.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cp Cargo.toml Cargo.toml.full \
    && awk '/^\[/ { skip = /^\[\[(bench|test|example)\]\]/ } !skip' Cargo.toml.full > Cargo.toml \
    && mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --release --locked --bin proxy ${CARGO_FLAGS} \
    && mv Cargo.toml.full Cargo.toml \
    && rm -r src

# The stubs are newer than the files that replace them, and cargo goes by time: hence the touch.
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo build --release --locked --bin proxy ${CARGO_FLAGS} \
    && install -D -m 0755 target/release/proxy /out/proxy

# No shell and no package manager. glibc, libgcc, the time zones and the public certificate authorities are in it.
FROM gcr.io/distroless/cc-debian12:nonroot

ARG VERSION="0.1.0"
ARG REVISION=""
LABEL org.opencontainers.image.title="s3-access-proxy" \
      org.opencontainers.image.description="Mutual-TLS access to Amazon S3 for Kubernetes workloads" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY LICENSE /usr/share/doc/s3-access-proxy/LICENSE
COPY --from=builder /out/proxy /usr/local/bin/proxy

# By number, because Kubernetes cannot check `runAsNonRoot` against a name.
USER 65532:65532

# 8443: mTLS for S3 clients. 9090: health and metrics, plain HTTP.
EXPOSE 8443 9090

ENTRYPOINT ["/usr/local/bin/proxy"]
CMD ["run", "--config", "/etc/s3-access-proxy/config.yaml"]
