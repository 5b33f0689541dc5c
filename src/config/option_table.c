/* The table itself. The order is the one of OptionId, of `weir config print` and of docs/configuration.md. */
#include "config/table_macros.h"

/* clang-format off */
const Option option_table[OPTION_COUNT] = {
    /* name, type, default, least, most, choices, help, marks and kinds */
    [OPTION_HTTP_LISTEN] = {"http.listen", OPTION_ADDRESS, "127.0.0.1:8080", NO_LIMITS, NO_CHOICES,
        "Where HTTP is served. Port 0 takes a free one. An address that other machines can reach is refused while nothing "
        "authenticates clients, unless `http.insecure` allows it.", NO_MARKS},
    [OPTION_HTTP_INSECURE] = {"http.insecure", OPTION_BOOL, "false", NO_LIMITS, NO_CHOICES,
        "Serves other machines though nothing authenticates clients: for a private network, or behind a proxy that does.", NO_MARKS},
    [OPTION_HTTP_HOSTS] = {"http.hosts", OPTION_HOST, "", NO_LIMITS, NO_CHOICES,
        "Names, separated by commas, that browsers reach the service by, or that a proxy asks for it by. A request whose `Host` is another name is refused (403), and so is what changes something and "
        "was sent by a page from elsewhere. Addresses and `localhost` need not be named; with `http.insecure` any name is taken for the `Host` as long as none is named here. Name the host here, too, behind a proxy that passes on another `Host` or port than the browser asked for.", OPTION_LIST, 0},
    [OPTION_HTTP_THREADS] = {"http.threads", OPTION_INTEGER, "0", 0, 64, NO_CHOICES,
        "Threads that read requests and check records. 0: as many as suit the machine.", NO_MARKS},
    [OPTION_HTTP_CONNECTIONS_MAX] = {"http.connections_max", OPTION_INTEGER, "10000", 1, 1000000, NO_CHOICES,
        "Connections at once; further ones wait in the system's queue. Each takes a file descriptor.", NO_MARKS},
    [OPTION_HTTP_CONNECTIONS_PER_ADDRESS_MAX] = {"http.connections_per_address_max", OPTION_INTEGER, "0", 0, 1000000, NO_CHOICES,
        "Connections at once from one address; further ones are closed. 0: no limit. With a limit, all connections of one address are on one thread (`http.threads`).", NO_MARKS},
    [OPTION_HTTP_EVENT_STREAMS_MAX] = {"http.event_streams_max", OPTION_INTEGER, "256", 1, 1000000, NO_CHOICES,
        "Event streams (`text/event-stream`) at once; beyond it clients are told to come back (503). Those of aggregates ask again for each change, once a second at most.", NO_MARKS},
    [OPTION_HTTP_HEADER_BYTES_MAX] = {"http.header_bytes_max", OPTION_BYTES, "16KiB", 4 * KIB, MIB, NO_CHOICES,
        "Memory for the request line and headers of a request.", NO_MARKS},
    [OPTION_HTTP_BODY_BYTES_MAX] = {"http.body_bytes_max", OPTION_BYTES, "16MiB", KIB, 64 * MIB, NO_CHOICES,
        "The largest body that is read as a whole (413 above). NDJSON is streamed and has no such limit.", NO_MARKS},
    [OPTION_HTTP_BODIES_BYTES_MAX] = {"http.bodies_bytes_max", OPTION_BYTES, "256MiB", MIB, 64 * GIB, NO_CHOICES,
        "Memory for all that requests take beyond 48 KiB a connection: bodies, what is read out of them, NDJSON uploads (up to some 10 MiB each while they run fast, and 50 MiB with long "
        "results), answers until they are taken. Beyond it clients are told to come back (503), an upload with the line up to which all is decided, and results that were "
        "carried out are told without their list. One that is alone gets what it needs, within the limits for one.", NO_MARKS},
    [OPTION_HTTP_LINE_BYTES_MAX] = {"http.line_bytes_max", OPTION_BYTES, "1MiB", KIB, 64 * MIB, NO_CHOICES,
        "The longest line of an NDJSON body.", NO_MARKS},
    [OPTION_HTTP_IDLE_TIMEOUT] = {"http.idle_timeout", OPTION_DURATION, "60s", SECOND, 24 * HOUR, NO_CHOICES,
        "A connection on which nothing moved for so long is closed.", NO_MARKS},
    [OPTION_HTTP_REQUEST_TIMEOUT] = {"http.request_timeout", OPTION_DURATION, "30s", SECOND, HOUR, NO_CHOICES,
        "How long a request may take to come in, its answer to begin, and then to be taken: for a long answer, or each 256 KiB of one that is streamed, a second more for "
        "each 64 KB. A streamed body may take as long as it likes, but while more than half of `http.bodies_bytes_max` is taken, 64 KiB of it have to come in that time.", NO_MARKS},
    [OPTION_HTTP_DRAIN_TIMEOUT] = {"http.drain_timeout", OPTION_DURATION, "10s", 0, HOUR, NO_CHOICES,
        "How long requests that are under way may go on when the service is asked to stop.", NO_MARKS},
    [OPTION_HTTP_FRONT_DOOR] = {"http.front_door", OPTION_CHOICE, "store", NO_LIMITS, CHOICES("store", "kafka"),
        "What has a record when `POST /records` answers 202: the store, or Kafka, from where a source takes it into the store "
        "([sources.md](sources.md#kafka-as-the-front-door)). `POST /api/records` always answers when the record is stored.", NO_MARKS},
    [OPTION_HTTP_FRONT_DOOR_SOURCE] = {"http.front_door_source", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "With `http.front_door: kafka`, the source whose brokers, properties and topic `POST /records` produces to; need not be set when there "
        "is only one of type `kafka`.", NO_MARKS},
    [OPTION_HTTP_FRONT_DOOR_BYTES_MAX] = {"http.front_door_bytes_max", OPTION_BYTES, "64MiB", MIB, 16 * GIB, NO_CHOICES,
        "How much may wait for Kafka to confirm it; when it is full, clients are told to come back (503 with Retry-After).", NO_MARKS},

    [OPTION_STORE_DIR] = {"store.dir", OPTION_TEXT, "./weir-data", NO_LIMITS, NO_CHOICES,
        "The directory that holds everything; made when it is missing. One process at a time may write to it.", NO_MARKS},
    [OPTION_STORE_IDENTITY] = {"store.identity", OPTION_CHOICE, "recordId", NO_LIMITS,
        CHOICES("recordId", "sourceId+recordId", "content"),
        "What makes two records the same record. Fixed when the store is made.", NO_MARKS},
    [OPTION_STORE_SCALE] = {"store.scale", OPTION_INTEGER, "2", 0, 6, NO_CHOICES,
        "Digits behind the decimal point of a value. Fixed when the store is made.", NO_MARKS},
    [OPTION_STORE_FLOW_CACHE_BYTES] = {"store.flow_cache_bytes", OPTION_BYTES, "224MiB", MIB, 64 * GIB, NO_CHOICES,
        "Memory for the running totals of the flows that were in use last.", NO_MARKS},
    [OPTION_STORE_FREE_RESERVE_BYTES] = {"store.free_reserve_bytes", OPTION_BYTES, "256MiB", 0, 1024 * GIB, NO_CHOICES,
        "When the disk has less room than this, nothing more is taken in (503) until there is room again.", NO_MARKS},
    [OPTION_STORE_WAL_BYTES_MAX] = {"store.wal_bytes_max", OPTION_BYTES, "256MiB", MIB, 64 * GIB, NO_CHOICES,
        "When the write-ahead log is larger, the writer moves it into the database before it goes on.", NO_MARKS},
    [OPTION_STORE_PUBLISH_RECORDS] = {"store.publish_records", OPTION_INTEGER, "65536", 1, 1048576, NO_CHOICES,
        "Indexes and rollups are written out at least every so many records. Fewer make a restart faster and intake slower.", NO_MARKS},
    [OPTION_STORE_DEAD_LETTER_BYTES_MAX] = {"store.dead_letter_bytes_max", OPTION_BYTES, "1GiB", MIB, 64 * GIB, NO_CHOICES,
        "How much dead letters of intake may take: what could not be taken in, why, and their notices. Those that are resolved or discarded make room first; when that is "
        "not enough, sources wait. What came over HTTP may take half of it, so that no client can make them.", NO_MARKS},

    [OPTION_PROCESS_QUEUE_BYTES_MAX] = {"process.queue_bytes_max", OPTION_BYTES, "64MiB", MIB, 16 * GIB, NO_CHOICES,
        "How much may wait to be committed; when it is full, clients are told to come back (503 with Retry-After).", NO_MARKS},
    [OPTION_PROCESS_BATCH_RECORDS_MAX] = {"process.batch_records_max", OPTION_INTEGER, "16384", 1, 32768, NO_CHOICES,
        "The most records that are committed in one transaction. Other work counts for as many as take as long to write.", NO_MARKS},

    [OPTION_INTAKE_UNKNOWN_FIELDS] = {"intake.unknown_fields", OPTION_CHOICE, "warn", NO_LIMITS, CHOICES("warn", "refuse"),
        "A record with fields that are not a record's: taken in with a warning in the answer, or refused (422).", NO_MARKS},

    [OPTION_FAULTS_ALLOW] = {"faults.allow", OPTION_BOOL, "false", NO_LIMITS, NO_CHOICES,
        "Clients may ask for a failure, with a member `simulateFailure` of a record or an event: to see that they try again as they should. "
        "Never for a service that others use.", NO_MARKS},

    [OPTION_RECORDS_ON_CONFLICT] = {"records.on_conflict", OPTION_CHOICE, "refuse", NO_LIMITS, CHOICES("refuse", "first"),
        "The same record with other content: refused with the fields that differ (409), or answered as a duplicate of the first one, with "
        "those fields (200). `mode=atomic` refuses it in any case.", NO_MARKS},

    [OPTION_ALERTS_THRESHOLD] = {"alerts.threshold", OPTION_DECIMAL, "1000", 1, INT64_C(999999999999999), NO_CHOICES,
        "The threshold of the rule named `default`: a record whose value is above it raises an alert. A new store gets the rule. "
        "When this option is set, the rule is set to it at each start; leave it out to change the rule through the API.", NO_MARKS},

    [OPTION_ONBOARDING_HANDLER] = {"onboarding.handler", OPTION_CHOICE, "none", NO_LIMITS, CHOICES("none", "webhook", "kafka", "redis"),
        "What is done for an organization that was onboarded. `none`: it is registered. `webhook`: a service of yours is called, and its 2xx completes "
        "the job. `kafka`, `redis`: a sink of that type hands it over, which has to have `organization.created` and `organization.updated` among its "
        "`messages`.", NO_MARKS},
    [OPTION_ONBOARDING_URL] = {"onboarding.url", OPTION_URL, "", NO_LIMITS, NO_CHOICES,
        "With `webhook`: the endpoint that is called, `https://…`, with a POST for each job.", NO_MARKS},
    [OPTION_ONBOARDING_SECRET] = {"onboarding.secret", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "What these calls are signed with: `whsec_` and Base64, as Standard Webhooks has it. Two while one replaces the other.",
        OPTION_LIST | OPTION_SECRET, 0},
    [OPTION_ONBOARDING_SECRET_FILE] = {"onboarding.secret_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "A file that holds the secret, or two on lines of their own, instead of `secret`. It is read when the service starts.", NO_MARKS},
    [OPTION_ONBOARDING_ALLOW_PRIVATE] = {"onboarding.allow_private", OPTION_CIDR, "", NO_LIMITS, NO_CHOICES,
        "Private, loopback and link-local addresses that may be called. Without it none is, whatever name leads there.",
        OPTION_LIST, 0},
    [OPTION_ONBOARDING_CA_FILE] = {"onboarding.ca_file", OPTION_TEXT, "", NO_LIMITS, NO_CHOICES,
        "Certificates (PEM) to trust instead of the system's.", NO_MARKS},
    [OPTION_ONBOARDING_TIMEOUT] = {"onboarding.timeout", OPTION_DURATION, "15s", 10 * MILLISECOND, 60 * SECOND, NO_CHOICES,
        "A call that takes longer has failed; so has the look-up of a domain.", NO_MARKS},
    [OPTION_ONBOARDING_CONCURRENCY] = {"onboarding.concurrency", OPTION_INTEGER, "10", 1, 1000, NO_CHOICES,
        "Jobs that are worked on at once.", NO_MARKS},
    [OPTION_ONBOARDING_RATE] = {"onboarding.rate", OPTION_INTEGER, "10", 0, 1000000, NO_CHOICES,
        "Calls that are begun in a second. 0: as many as there are.", NO_MARKS},
    [OPTION_ONBOARDING_ATTEMPTS] = {"onboarding.attempts", OPTION_INTEGER, "3", 1, 100, NO_CHOICES,
        "When so many attempts at a job have failed, it has failed, and is a dead letter.", NO_MARKS},
    [OPTION_ONBOARDING_BACKOFF] = {"onboarding.backoff", OPTION_DURATION, "10s", MILLISECOND, HOUR, NO_CHOICES,
        "The longest wait for the second attempt. It doubles with each attempt, up to an hour; half of it is left to chance.", NO_MARKS},
    [OPTION_ONBOARDING_LEASE] = {"onboarding.lease", OPTION_DURATION, "5m", SECOND, 24 * HOUR, NO_CHOICES,
        "A job that nothing was heard of for so long is tried by whoever looks next. At least three times `onboarding.timeout`.", NO_MARKS},
    [OPTION_ONBOARDING_DNS] = {"onboarding.dns", OPTION_CHOICE, "off", NO_LIMITS, CHOICES("off", "warn", "require"),
        "Whether an organization's domain is looked up first. `warn`: what is found wrong is told with the job. `require`: a job whose domain does not exist "
        "has failed; when nobody could tell, it is tried again.", NO_MARKS},

    [OPTION_QUERY_THREADS] = {"query.threads", OPTION_INTEGER, "0", 0, 64, NO_CHOICES,
        "Threads that answer lists, aggregates and feeds. 0: as many as suit the machine.", NO_MARKS},
    [OPTION_QUERY_GROUP_BYTES_MAX] = {"query.group_bytes_max", OPTION_BYTES, "64MiB", MIB, 16 * GIB, NO_CHOICES,
        "Memory for the groups of one aggregate; a question that needs more is refused.", NO_MARKS},
    [OPTION_QUERY_GROUPS_BYTES_MAX] = {"query.groups_bytes_max", OPTION_BYTES, "256MiB", MIB, 64 * GIB, NO_CHOICES,
        "Memory for the groups of all aggregates that a server works on; beyond it clients are told to come back (503).", NO_MARKS},

    [OPTION_LOG_LEVEL] = {"log.level", OPTION_CHOICE, "info", NO_LIMITS, CHOICES("debug", "info", "warn", "error"),
        "The least important lines that are still written to standard error.", NO_MARKS},
    [OPTION_LOG_FORMAT] = {"log.format", OPTION_CHOICE, "logfmt", NO_LIMITS, CHOICES("logfmt", "json"),
        "How a line of the log is written.", NO_MARKS},
};
/* clang-format on */
