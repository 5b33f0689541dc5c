/* weir doctor: is this machine fit to run it, and if not, what to do. Each check is a function in the table at the
 * end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "config/units.h"
#include "deliver/sink_config.h"
#include "engine.h"
#include "intake/front_door_config.h"
#include "onboard/onboard_config.h"
#include "record/mapping_config.h"

enum {
    PATH_BYTES_MAX = 4096,
    SYNCS = 31,
    SYNC_BYTES = 4096,
    SYNC_SLOW_US = 10000,
    SYNC_BROKEN_US = 200000,
    OTHER_FILES = 256,
};

typedef enum Level { LEVEL_OK, LEVEL_WARN, LEVEL_FAIL } Level;
static const char *const level_names[] = {"ok", "warn", "fail"};

typedef struct Finding {
    Level level;
    char detail[ERROR_MESSAGE_BYTES_MAX];
    const char *hint; /* NULL when there is nothing to do */
} Finding;

typedef struct Patient {
    const Config *config;
    const char *dir;
    char place[PATH_BYTES_MAX]; /* the store's directory, or the nearest one above it that is there */
    bool dir_exists;
} Patient;

__attribute__((format(printf, 4, 5))) static void say(Finding *finding, Level level, const char *hint,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    finding->level = level;
    finding->hint = hint;
    vsnprintf(finding->detail, sizeof finding->detail, format, args);
    va_end(args);
}

/* ---- The disk ---------------------------------------------------------------------------------------------------- */

static void find_place(Patient *patient)
{
    snprintf(patient->place, sizeof patient->place, "%s", patient->dir);
    patient->dir_exists = access(patient->place, F_OK) == 0;
    while (access(patient->place, F_OK) != 0) {
        char *slash = strrchr(patient->place, '/');
        if (!slash || slash == patient->place) {
            snprintf(patient->place, sizeof patient->place, "%s", slash ? "/" : ".");
            return;
        }
        *slash = '\0';
    }
}

static void check_directory(const Patient *patient, Finding *finding)
{
    struct stat info;
    if (stat(patient->place, &info) != 0 || !S_ISDIR(info.st_mode)) {
        say(finding, LEVEL_FAIL, "choose another one with --data", "%s is no directory", patient->place);
    } else if (access(patient->place, W_OK | X_OK) != 0) {
        say(finding, LEVEL_FAIL, "give the user who runs Weir the right to write there", "%s cannot be written: %s",
            patient->place, strerror(errno));
    } else {
        say(finding, LEVEL_OK, NULL, "%s %s", patient->dir, patient->dir_exists ? "can be written" : "can be made");
    }
}

static void check_file_system(const Patient *patient, Finding *finding)
{
    struct statfs info;
    if (statfs(patient->place, &info) != 0) {
        say(finding, LEVEL_WARN, NULL, "unknown: %s", strerror(errno));
    } else if (info.f_type == NFS_SUPER_MAGIC || info.f_type == SMB_SUPER_MAGIC || info.f_type == CIFS_SUPER_MAGIC ||
               info.f_type == SMB2_SUPER_MAGIC) {
        say(finding, LEVEL_FAIL, "put the store on a local disk",
            "a network file system: its locks and syncs cannot be relied on");
    } else if (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC) {
        say(finding, LEVEL_WARN, "put the store on a disk", "in memory: nothing survives a restart of the machine");
    } else if (info.f_type == FUSE_SUPER_MAGIC) {
        say(finding, LEVEL_WARN, "put the store on a local disk",
            "FUSE: whether a sync reaches a disk is up to the program behind it");
    } else {
        say(finding, LEVEL_OK, NULL, "local");
    }
}

static void check_free_space(const Patient *patient, Finding *finding)
{
    uint64_t bytes = 0, reserve = config_size(patient->config, OPTION_STORE_FREE_RESERVE_BYTES);
    Error error;
    if (io_system.free_bytes(io_system.self, patient->place, &bytes, &error) != STATUS_OK) {
        say(finding, LEVEL_WARN, NULL, "%s", error.message);
        return;
    }
    unsigned long long mib = bytes >> 20;
    if (bytes < reserve) {
        say(finding, LEVEL_FAIL, "make room, or lower store.free_reserve_bytes",
            "%llu MiB free, below the reserve: nothing is taken in", mib);
    } else if (bytes < reserve * 4) {
        say(finding, LEVEL_WARN, "make room: a million records take about 200 MiB",
            "%llu MiB free, close to the reserve", mib);
    } else {
        say(finding, LEVEL_OK, NULL, "%llu MiB free", mib);
    }
}

static int compare_times(const void *a, const void *b)
{
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;
    return (first > second) - (first < second);
}

static bool write_page(int fd)
{
    static const char page[SYNC_BYTES];
    return pwrite(fd, page, sizeof page, 0) == SYNC_BYTES && fdatasync(fd) == 0;
}

/* The median of some syncs of a page that is there already, as a commit's is: the log is kept and written over. -1 with
 * errno when that cannot be done. */
static int64_t measure_sync(int fd)
{
    int64_t times[SYNCS];
    if (!write_page(fd)) {
        return -1;
    }
    for (int i = 0; i < SYNCS; i++) {
        int64_t begun = clock_monotonic_us(&clock_system);
        if (!write_page(fd)) {
            return -1;
        }
        times[i] = clock_monotonic_us(&clock_system) - begun;
    }
    qsort(times, SYNCS, sizeof *times, compare_times);
    return times[SYNCS / 2];
}

static void check_sync(const Patient *patient, Finding *finding)
{
    char path[PATH_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/.weir-doctor-XXXXXX", patient->place);
    int fd = mkostemp(path, O_CLOEXEC);
    int64_t us = fd < 0 ? -1 : measure_sync(fd);
    int error = errno;
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    const char *hint = "a lone request waits for one sync; choose a disk with a cache that survives a power cut";
    if (us < 0) {
        say(finding, LEVEL_FAIL, NULL, "not possible: %s", strerror(error));
    } else {
        say(finding,
            us > SYNC_BROKEN_US ? LEVEL_FAIL
            : us > SYNC_SLOW_US ? LEVEL_WARN
                                : LEVEL_OK,
            us > SYNC_SLOW_US ? hint : NULL, "%lld.%03lld ms a sync", (long long)(us / 1000), (long long)(us % 1000));
    }
}

/* ---- The store --------------------------------------------------------------------------------------------------- */

/* Who holds it, without holding it: a shared lock that is given back at once, and no file is made. */
static void check_lock(const Patient *patient, Finding *finding)
{
    char path[PATH_BYTES_MAX + 8], holder[16] = "";
    snprintf(path, sizeof path, "%s/lock", patient->dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say(finding, errno == ENOENT ? LEVEL_OK : LEVEL_FAIL, NULL, errno == ENOENT ? "nobody holds the store" : "%s",
            strerror(errno));
        return;
    }
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        say(finding, LEVEL_OK, NULL, "nobody holds the store");
    } else {
        ssize_t len = pread(fd, holder, sizeof holder - 1, 0);
        holder[len > 0 ? strcspn(holder, "\n") : 0] = '\0';
        say(finding, LEVEL_OK, NULL, "held by process %s", holder);
    }
    close(fd);
}

static void check_store(const Patient *patient, Finding *finding)
{
    Store *store = NULL;
    StoreReader *reader = NULL;
    StoreView *view = NULL;
    Error error;
    char path[PATH_BYTES_MAX + 16], count[COUNT_BYTES_MAX];
    StoreOptions options = engine_store_options(patient->config);
    options.read_only = true;
    snprintf(path, sizeof path, "%s/weir.db", patient->dir);
    if (access(path, F_OK) != 0) {
        say(finding, LEVEL_OK, NULL, "none yet in %s", patient->dir);
        return;
    }
    if (store_open(&options, &store, &error) == STATUS_OK && store_reader_open(store, &reader, &error) == STATUS_OK &&
        reader_begin(reader, &view, &error) == STATUS_OK) {
        say(finding, LEVEL_OK, NULL, "can be read up to sequence %s", count_format((uint64_t)view_bound(view), count));
        reader_end(reader);
    } else {
        say(finding, LEVEL_FAIL, "`weir verify` says more; restore a copy if it is damaged", "%s", error.message);
    }
    view_free(view);
    store_reader_close(reader);
    store_close(store);
}

/* SQLite before 3.51.3 can damage a write-ahead log that two connections write or checkpoint at the same instant. One
 * connection does both here, so that any version from 3.40 on is fit. */
static void check_sqlite(const Patient *patient, Finding *finding)
{
    (void)patient;
    bool old = sqlite3_libversion_number() < 3040000;
    say(finding, old ? LEVEL_FAIL : LEVEL_OK, old ? "update libsqlite3" : NULL, "%s", sqlite3_libversion());
}

/* Whether a start would take the sinks, with their files, and onboarding, which may need one. */
static void check_sinks(const Patient *patient, Finding *finding)
{
    SinkConfig sinks = {0};
    OnboardConfig onboarding;
    Error error;
    Status status = sink_config_read(patient->config, &sinks, &error);
    if (status == STATUS_OK) {
        status = onboard_config_read(patient->config, &sinks, &onboarding, &error);
    }
    if (status == STATUS_OK) {
        say(finding, LEVEL_OK, NULL, "%zu of %u enabled", sinks.count,
            config_member_count(patient->config, OPTION_SINKS));
    } else {
        say(finding, LEVEL_FAIL, "correct the configuration: docs/configuration.md", "%s", error.message);
    }
    sink_config_release(&sinks);
}

/* The same for the sources, and the front door that leads to one of them. */
static void check_sources(const Patient *patient, Finding *finding)
{
    SourceConfig sources = {0};
    FrontDoorOptions front_door;
    Error error;
    Status status = source_config_read(patient->config, &sources, &error);
    if (status == STATUS_OK) {
        status = front_door_config_read(patient->config, &sources, &front_door, &error);
    }
    if (status == STATUS_OK) {
        say(finding, LEVEL_OK, NULL, "%zu of %u enabled", sources.count,
            config_member_count(patient->config, OPTION_SOURCES));
    } else {
        say(finding, LEVEL_FAIL, "correct the configuration: docs/configuration.md", "%s", error.message);
    }
    source_config_release(&sources);
}

/* Whether a start would take the mappings of events. */
static void check_mappings(const Patient *patient, Finding *finding)
{
    MappingSet *mappings = NULL;
    SourceConfig sources = {0};
    Error error;
    Status status = mapping_config_read(patient->config, &mappings, &error);
    if (status == STATUS_OK && source_config_read(patient->config, &sources, &error) == STATUS_OK) {
        status =
            source_config_check_mappings(&sources, mappings, &error); /* what else is wrong with them is said above */
        source_config_release(&sources);
    }
    if (status != STATUS_OK) {
        say(finding, LEVEL_FAIL, "correct the configuration: docs/events.md", "%s", error.message);
        mapping_set_free(mappings);
        return;
    }
    say(finding, LEVEL_OK, NULL, "%u beside the built-in one", config_member_count(patient->config, OPTION_MAPPINGS));
    mapping_set_free(mappings);
}

/* ---- The machine ------------------------------------------------------------------------------------------------- */

static void check_open_files(const Patient *patient, Finding *finding)
{
    struct rlimit limit;
    uint64_t needed = config_size(patient->config, OPTION_HTTP_CONNECTIONS_MAX) + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        say(finding, LEVEL_WARN, NULL, "unknown: %s", strerror(errno));
        return;
    }
    bool enough = limit.rlim_max >= needed;
    say(finding, enough ? LEVEL_OK : LEVEL_WARN,
        enough ? NULL : "raise the limit (ulimit -Hn, LimitNOFILE=), or lower http.connections_max",
        "%llu allowed, %llu needed", (unsigned long long)limit.rlim_max, (unsigned long long)needed);
}

static uint64_t available_memory(void)
{
    uint64_t kib = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && kib == 0 && fgets(line, sizeof line, file)) {
        Str rest = str_from(line);
        if (str_starts_with(rest, STR("MemAvailable:"))) {
            rest = str_trim((Str){rest.ptr + 13, rest.len - 13});
            Str number = str_split(&rest, ' ');
            if (!str_to_u64(number, UINT64_MAX >> 10, &kib)) {
                break;
            }
        }
    }
    if (file) {
        fclose(file);
    }
    return kib << 10;
}

static void check_memory(const Patient *patient, Finding *finding)
{
    static const OptionId ceilings[] = {OPTION_STORE_FLOW_CACHE_BYTES, OPTION_PROCESS_QUEUE_BYTES_MAX,
                                        OPTION_HTTP_BODIES_BYTES_MAX, OPTION_QUERY_GROUPS_BYTES_MAX};
    uint64_t needed = 0, available = available_memory();
    for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++) {
        needed += config_size(patient->config, ceilings[i]);
    }
    if (available == 0) {
        say(finding, LEVEL_WARN, NULL, "unknown");
        return;
    }
    bool enough = available >= needed;
    say(finding, enough ? LEVEL_OK : LEVEL_WARN, enough ? NULL : "lower the limits in bytes: `weir config print`",
        "%llu MiB available, the configuration allows up to %llu MiB", (unsigned long long)(available >> 20),
        (unsigned long long)(needed >> 20));
}

static void check_clock(const Patient *patient, Finding *finding)
{
    (void)patient;
    struct timex state = {0};
    char now[TIMESTAMP_TEXT_BYTES_MAX];
    int64_t us = clock_wall_us(&clock_system);
    timestamp_format(us - us % 1000000, now);
    bool unset = us < timestamp_days_from_date(2025, 1, 1) * INT64_C(86400000000);
    bool unsynced = adjtimex(&state) < 0 || (state.status & STA_UNSYNC);
    if (unset) {
        say(finding, LEVEL_FAIL, "set the clock; records keep when they were received", "%s: it was never set", now);
    } else if (unsynced) {
        say(finding, LEVEL_WARN, "run an NTP client; records keep when they were received", "%s, not synchronised",
            now);
    } else {
        say(finding, LEVEL_OK, NULL, "%s, synchronised", now);
    }
}

/* ---- The report -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*check)(const Patient *patient, Finding *finding);
} checks[] = {
    {"directory", check_directory},
    {"file system", check_file_system},
    {"free disk space", check_free_space},
    {"sync time", check_sync},
    {"lock", check_lock},
    {"store", check_store},
    {"sqlite", check_sqlite},
    {"sources", check_sources},
    {"sinks", check_sinks},
    {"mappings", check_mappings},
    {"open files", check_open_files},
    {"memory", check_memory},
    {"clock", check_clock},
};
enum { CHECKS = sizeof checks / sizeof *checks };

static void put_json(Buf *text, const Finding *findings)
{
    BUF_PUT(text, "{\"checks\":[");
    for (size_t i = 0; i < CHECKS; i++) {
        buf_printf(text, "%s{\"name\":\"%s\",\"level\":\"%s\",\"detail\":", i ? "," : "", checks[i].name,
                   level_names[findings[i].level]);
        buf_put_json(text, str_from(findings[i].detail));
        if (findings[i].hint) {
            buf_put_key(text, "hint");
            buf_put_json(text, str_from(findings[i].hint));
        }
        buf_put_char(text, '}');
    }
    BUF_PUT(text, "]}\n");
}

static void put_table(Buf *text, const Finding *findings)
{
    Table table;
    table_init(&table);
    size_t level = table_column(&table, STR("state"), false), name = table_column(&table, STR("what"), false),
           detail = table_column(&table, STR("detail"), false);
    for (size_t i = 0; i < CHECKS; i++) {
        table_begin_row(&table);
        table_put(&table, level, str_from(level_names[findings[i].level]));
        table_put(&table, name, str_from(checks[i].name));
        table_put(&table, detail, str_from(findings[i].detail));
        if (findings[i].hint) {
            table_begin_row(&table);
            table_put(&table, detail, str_from(findings[i].hint));
        }
    }
    table_print(&table, text);
    table_release(&table);
}

static int examine(const Args *args, const Config *config)
{
    Patient patient = {.config = config, .dir = config_text(config, OPTION_STORE_DIR)};
    Finding findings[CHECKS] = {0};
    bool failed = false;
    Buf text;
    find_place(&patient);
    for (size_t i = 0; i < CHECKS; i++) {
        checks[i].check(&patient, &findings[i]);
        failed |= findings[i].level == LEVEL_FAIL;
    }
    buf_init(&text, 1 << 20);
    if (args_has(args, "json")) {
        put_json(&text, findings);
    } else {
        put_table(&text, findings);
    }
    int code = command_print(args, buf_str(&text));
    buf_release(&text);
    return code == EXIT_OK && failed ? EXIT_PROBLEMS : code;
}

static int run(const Args *args)
{
    Config *config = NULL;
    Error error;
    if (args_config(args, &config, &error) != STATUS_OK) {
        return command_fail(args, EXIT_USAGE, &error);
    }
    int code = examine(args, config);
    config_free(config);
    return code;
}

const Command command_doctor = {
    .name = "doctor",
    .summary = "says whether this machine is fit to run it",
    .description = "Looks at the disk (room, kind, how long a sync takes), the store and who holds it, sources, "
                   "sinks and mappings, limits, memory "
                   "and the clock. Each "
                   "line is ok, warn or fail, with what to do. It changes nothing, and may run beside a server.",
    .example = "weir doctor --data /var/lib/weir\nweir doctor --json --config weir.yaml\n",
    .exits = "0 nothing failed\n1 something failed\n2 the configuration is wrong\n",
    .flags = (const Flag *const[]){flags_data, flags_json, flags_config, NULL},
    .run = run,
};
