//! What every table and every setting means, in the words of `docs/configuration.md`, in its order.
//!
//! What a setting takes and what holds unless told is not said here: that is where it is read. A setting that is read has words, and
//! words are of a setting that is read: a test compares them. A setting that is added is read in the file of its table, and told of
//! here; then `feedmill generate configuration > docs/configuration.md`.

/// What each table is about.
pub const TABLES: &[(&str, &str)] = &[
    ("app", "The application."),
    ("kafka", "The cluster."),
    ("worker", "What ranks: state, memory, and what is raised by hand when history changes."),
    ("trending", "What interactions are worth in lists of trending posts."),
    (
        "suggestions",
        "Whom users are suggested to each other by; `topologies/src/suggestions/mod.rs` has the formula.",
    ),
    ("muted_words", "Words that readers do not want to see."),
    ("shown", "What is remembered of what readers were shown."),
    ("redis", "Where feeds are pushed to, and read first. Without a URL there is no Redis."),
    (
        "postgres",
        "The application's database, the last resort of reads. Without a URL there is none.",
    ),
    (
        "clickhouse",
        "Rows for analysis, the ranking `algo=ch`, the metrics of days. Without a URL there are none of these.",
    ),
    ("registry", "The schema registry, for records in Avro. Without URLs records in Avro wait."),
    ("events", "Events that come over HTTP."),
    ("http", "The listeners, and the bounds within which they serve."),
    ("limits", "How often somebody may ask."),
    ("auth", "Whose tokens are taken."),
    ("admin", "The listener of operators, which is there only where it is asked for."),
    ("state", "Reading state between instances."),
    ("breaker", "When a tier of reads is left alone because it fails."),
    ("log", "What is told of the process, on standard error."),
    ("traces", "Spans of what happens to requests and records, for OpenTelemetry."),
];

/// What each setting means.
pub const SETTINGS: &[(&str, &str)] = &[
    (
        "app",
        "The application's name: the prefix of its groups, of the topics that it makes for itself and of its transactional ids. Another name is another application, which reads every topic from its beginning.",
    ),
    ("kafka.bootstrap", "Brokers to begin with: `host:port`, separated by commas."),
    ("kafka.create_topics", "Whether a start creates the topics that are missing."),
    (
        "kafka.partitions",
        "How many partitions a topic gets that is created. A topic that is there keeps its own, and all inputs must have as many.",
    ),
    (
        "kafka.produce_wait_ms",
        "How long `POST /api/v1/events` waits for Kafka's acknowledgement; then 503.",
    ),
    (
        "kafka.client.<option>",
        "Options of the Kafka client, by librdkafka's names: encryption, log-in, sizes. A password is never printed.",
    ),
    (
        "worker.state_dir",
        "The folder of the state, of this process alone. It also has the name by which the group knows the process: a worker that comes back with its folder moves nothing.",
    ),
    (
        "worker.threads",
        "Threads that process; each has a share of the tasks, of which there are 133 with 12 partitions.",
    ),
    (
        "worker.memory",
        "What rows, blocks, queues and open transactions may take together. The process takes some 200 to 300 MiB more.",
    ),
    (
        "worker.rebuild_stores",
        "Whether a start may begin stores empty that the version before did not have: see `feedmill topology plan`.",
    ),
    (
        "worker.feeds_epoch",
        "Raised by one when the state of readers was rebuilt from topics, so that its feeds win over older ones in Redis.",
    ),
    (
        "worker.cdc_epoch",
        "Raised by one when the database was restored from a backup: its log begins anew at a lower position, and rows would count as old.",
    ),
    (
        "worker.cdc_restored_at",
        "When the database was restored, such as `2026-11-20T23:17:08Z`, each time: by these a rebuild tells the records of before.",
    ),
    (
        "trending.score",
        "`interactions` counts all of a person's points on a post, `people` only up to `trending.points_per_person_max`.",
    ),
    ("trending.points_per_person_max", "The most points of one person on one post, with `people`."),
    (
        "suggestions.enabled",
        "Whether anybody is suggested. Without it what suggestions need is not kept.",
    ),
    (
        "suggestions.friends",
        "The weight of a path through somebody whom the user follows and who follows them.",
    ),
    ("suggestions.same_people", "The weight of a path through somebody whom both follow."),
    ("suggestions.affinity", "The weight of the user's affinity with them."),
    ("suggestions.followed_max", "So many of those whom the user follows are walked."),
    (
        "suggestions.neighbours_max",
        "So many whom each of these follows, and so many who follow them.",
    ),
    (
        "muted_words.enabled",
        "Whether readers can mute words. Without it workers do not keep the words of live posts, some 200 bytes each.",
    ),
    (
        "shown.remembered",
        "Whether answers and impressions are kept for a week, for weight sets that count them (`author_memory`, `unseen`). The same for workers and `serve`.",
    ),
    ("redis.url", "Such as `redis://:password@redis:6379`."),
    ("redis.wait_ms", "How long a read waits for Redis; then the next tier answers."),
    (
        "postgres.url",
        "Such as `postgres://user:password@postgres/database`; `deploy/postgres-roles.sql` makes the role.",
    ),
    ("postgres.wait_ms", "How long a read waits for PostgreSQL."),
    ("clickhouse.url", "Such as `http://clickhouse:8123`, without a log-in in it."),
    ("clickhouse.database", "The database, which `feedmill clickhouse migrate` makes."),
    ("clickhouse.user", "Who asks, if there must be one."),
    ("clickhouse.password", "Their password."),
    ("clickhouse.linger_ms", "How long rows are gathered before they are inserted."),
    ("clickhouse.records_max", "How many records of a partition are inserted at once."),
    ("clickhouse.wait_ms", "How long a read waits for ClickHouse."),
    (
        "clickhouse.reads_max",
        "How many reads ClickHouse ranks at once; a further one is answered by the next tier.",
    ),
    (
        "registry.urls",
        "Such as `https://registry:8081`, tried in turn; of Apicurio `http://registry:8080/apis/ccompat/v7`.",
    ),
    ("registry.user", "Who asks, if there must be one."),
    ("registry.password", "Their password."),
    ("registry.ca_file", "Certificates in PEM that are trusted beside those of the system."),
    (
        "events.format",
        "How `POST /api/v1/events` writes events to Kafka; `avro` needs `registry.urls`. Both are read, whatever it says.",
    ),
    ("http.listen", "Where the public routes listen."),
    (
        "http.internal_listen",
        "Where health, metrics and state listen, for the platform and for the other instances. Beyond loopback it needs `state.secret_file`.",
    ),
    (
        "http.tls_cert_file",
        "The certificate of the public listener and those up to its authority, in PEM; with it TLS is spoken. Read again when it changes.",
    ),
    ("http.tls_key_file", "Its private key, in PEM."),
    (
        "http.internal_tls_cert_file",
        "The certificate of this instance among the others, in PEM; with it the internal listener speaks TLS, and its state and console are for callers with a certificate of `http.internal_tls_ca_file`. Read again when it changes.",
    ),
    ("http.internal_tls_key_file", "Its private key, in PEM."),
    (
        "http.internal_tls_ca_file",
        "The authorities of the instances, in PEM: who shows a certificate of theirs is one of us, and only those are asked.",
    ),
    (
        "http.forwarded",
        "By which header a proxy says who is behind it: `forwarded` is that of RFC 7239. Believed of `http.trusted_proxies` alone.",
    ),
    (
        "http.trusted_proxies",
        "The proxies that are believed: addresses, or networks such as `10.0.0.0/8`.",
    ),
    ("http.cors_origins", "The origins whose pages may call, such as `https://app.example.com`."),
    ("http.connections_max", "The most connections of each listener; a further one waits."),
    (
        "http.connections_per_address_max",
        "The most connections of one address (an IPv6 /64 is one), 0 for no bound; a further one is closed. It holds for loopback only where it is set.",
    ),
    (
        "http.requests_max",
        "The most requests that are worked on at once by each listener; beyond it 503 with `Retry-After`.",
    ),
    ("http.body_bytes_max", "The longest body, after decoding; beyond it 413."),
    ("http.head_bytes_max", "The most bytes of a request's line and headers; beyond it 431."),
    ("http.headers_max", "The most headers of a request; beyond it 431."),
    ("http.events_max", "The most events of one `POST /api/v1/events`; beyond it 413."),
    (
        "http.request_wait_ms",
        "How long a request may take, its body included; then 503, or 408 for a slow body.",
    ),
    ("http.first_byte_wait_ms", "How long a connection may be open without its first byte."),
    ("http.head_wait_ms", "How long the head of a request may take, from its first byte on."),
    ("http.idle_wait_ms", "How long a connection may be without a request, after the first."),
    ("http.write_wait_ms", "How long a client may take nothing of what is written to it."),
    (
        "http.unready_wait_ms",
        "On SIGTERM: from `/ready` saying 503 until no connection is taken any more. Give a load balancer the time to look.",
    ),
    ("http.drain_wait_ms", "From there until requests in hand are cut off."),
    (
        "limits.user_per_minute",
        "Requests of one user in a minute, 0 for no bound; beyond it 429 with `Retry-After`. Counted by all processes together where there is Redis.",
    ),
    (
        "limits.address_per_second",
        "Requests of one address in a second, five seconds' worth at once, 0 for no bound; looked at before any token. It holds for loopback only where it is set.",
    ),
    ("auth.algorithm", "The algorithm of the tokens' signatures; a token does not choose it."),
    ("auth.issuer", "`iss` of the tokens."),
    ("auth.audience", "`aud` of the tokens."),
    (
        "auth.key_file",
        "The public keys, one or several in PEM, or a JWKS; read again when it changes. Where it and `auth.signing_key_file` are missing, `serve` makes a pair, for trying things.",
    ),
    (
        "auth.jwks_url",
        "Where the issuer publishes its keys, instead of `auth.key_file`: https, or http of this machine.",
    ),
    (
        "auth.signing_key_file",
        "The private key that `feedmill token` signs with, for trying things. A deployment has none.",
    ),
    ("auth.leeway_s", "By how many seconds clocks may differ."),
    (
        "auth.issuers.<name>.issuer",
        "`iss` of the tokens of another issuer; the name of the table is for you.",
    ),
    ("auth.issuers.<name>.audience", "`aud` of its tokens; `auth.audience` unless told."),
    ("auth.issuers.<name>.algorithm", "The algorithm of its tokens; EdDSA unless told."),
    ("auth.issuers.<name>.key_file", "Its public keys, or"),
    ("auth.issuers.<name>.jwks_url", "where it publishes them."),
    (
        "admin.listen",
        "Where the routes of operators listen, such as `127.0.0.1:9902`, in TLS where the public listener speaks it; nowhere unless told.",
    ),
    (
        "admin.audience",
        "The audience of operators' tokens, of the same issuers as others; they must name the role `admin`.",
    ),
    (
        "admin.secret_file",
        "The file with the secret that operators' tools may show instead: one line, or two while it is changed, of which either is taken.",
    ),
    (
        "state.workers",
        "The internal listeners of workers, such as `http://worker-1:9901`: whom `serve` asks for state beside those that announce themselves.",
    ),
    (
        "state.secret_file",
        "The file with the secret that instances show each other, the same for all of them: one line, or two while it is changed, of which the first is shown and either is taken.",
    ),
    (
        "state.advertise",
        "Where other instances reach this one's internal listener, such as `http://worker-1:9901`; its own address unless told.",
    ),
    ("state.wait_ms", "How long a read waits for a worker."),
    ("log.format", "`text` for people, `json` for an object a line."),
    (
        "log.level",
        "What is told, in the words of `RUST_LOG`, such as `info,feedmill=debug`. The variable `RUST_LOG` wins over it.",
    ),
    (
        "log.slow_query_ms.postgres",
        "From how long on a call to PostgreSQL is told of, with the shapes of its parameters; 0 for never.",
    ),
    ("log.slow_query_ms.clickhouse", "The same of ClickHouse."),
    ("log.slow_query_ms.redis", "The same of Redis."),
    ("breaker.failures", "So many failures of a tier"),
    ("breaker.window_ms", "within this time open its breaker: it is not asked."),
    ("breaker.open_ms", "After this time one call tries again,"),
    ("breaker.back_ms", "and after this time without a failure the breaker is closed."),
    (
        "traces.endpoint",
        "Where spans are sent, OTLP over HTTP, such as `http://collector:4318`; nowhere unless told.",
    ),
    (
        "traces.sample_ratio",
        "The part of requests that begin a trace, 0 to 1; one that comes with a trace is in it as its `traceparent` says.",
    ),
];
