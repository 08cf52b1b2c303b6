# The server on Debian 12. Data is in /data; the entry script starts as root only to give that
# directory to the user kv, and then drops its rights.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY . .
RUN ./configure --install --without-tests --prefix=/usr/local --sysconfdir=/etc/kv \
    && make all \
    && make install DESTDIR=/out \
    && install -m 755 tools/kv-entrypoint /out/usr/local/bin/

FROM debian:bookworm-slim
# 999 is the user of the official images of Redis and Valkey: their volumes fit as they are.
RUN groupadd --system --gid 999 kv \
    && useradd --system --uid 999 --gid kv --home-dir /data --no-create-home \
        --shell /usr/sbin/nologin kv \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        libev4 libjemalloc2 liblua5.1-0 lua-cjson liblz4-1 libssl3 libxxhash0 zlib1g \
        redis-tools \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o kv -g kv -m 755 /data
COPY --from=build /out /
# The names that compose files and health checks use.
RUN ln -s kv-entrypoint /usr/local/bin/redis-server \
    && ln -s kv-entrypoint /usr/local/bin/valkey-server \
    && ln -s kv-entrypoint /usr/local/bin/docker-entrypoint.sh \
    && ln -s kv-check-rdb /usr/local/bin/redis-check-rdb \
    && ln -s kv-check-rdb /usr/local/bin/valkey-check-rdb \
    && ln -s kv-check-aof /usr/local/bin/redis-check-aof \
    && ln -s kv-check-aof /usr/local/bin/valkey-check-aof \
    && ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli \
    && ln -s /usr/bin/redis-benchmark /usr/local/bin/valkey-benchmark \
    && redis-cli --version && redis-benchmark --version && kv-server --version \
    && kv-check-rdb --help >/dev/null && kv-backup --help >/dev/null \
    && kv-restore --help >/dev/null
WORKDIR /data
VOLUME /data
EXPOSE 6379
ENTRYPOINT ["kv-entrypoint"]
CMD ["kv-server"]
