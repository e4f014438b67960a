# syntax=docker/dockerfile:1
# Declic's image: the binary, the C library, and nothing else: no shell, no package manager, no root.
#
#   docker build -t declic .
#
# Roots of TLS certificates and time zones are compiled in. docs/deploying.md says how it is run.

# Cargo.toml's `rust-version`, on the Debian whose C library the last stage brings along.
FROM rust:1.94-slim-bookworm AS build
WORKDIR /src
COPY . .
# Both caches outlive a change of the sources, so that crates are compiled once; the binary is taken out of them. Cargo tells
# what changed by the files' times, which a checkout need not move on: hence the touch.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo build --locked --release --bin declic \
    && install -D --mode=755 target/release/declic /image/usr/bin/declic \
    && install --directory --mode=755 /image/etc/declic

# The binary is linked with libc, libm and libgcc_s; beside these the image has next to nothing.
FROM gcr.io/distroless/cc-debian12:nonroot AS declic
COPY --from=build /image /
# Where `declic.toml`, `rules/` and `templates/` are looked for.
WORKDIR /etc/declic
# By number, so that `runAsNonRoot` can be verified.
USER 65532:65532
# The admin listener, and customers' pages. Both are on loopback unless the configuration says otherwise.
EXPOSE 8025 8026
# Stops softly, within `worker.shutdown_deadline_s` (25) and 4 s for goodbyes: give it 35 s (`docker stop --time 35`).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["declic", "health"]
ENTRYPOINT ["declic"]
CMD ["run"]
