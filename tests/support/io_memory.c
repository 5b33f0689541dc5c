#include "support/io_memory.h"
#include "support/random.h"

#include <assert.h>
#include <stdlib.h>

typedef struct Node {
    uint8_t *bytes;
    size_t count, room;
    size_t synced; /* of count */
    unsigned references;
} Node;

/* A name and what stands behind it: now, and after a crash. */
typedef struct Entry {
    char *path;
    Node *live, *durable; /* one reference each; NULL for none */
    bool locked;
} Entry;

struct IoMemory {
    Io io;
    Entry *entries;
    size_t entry_count;
    size_t open_files;
    uint64_t bytes_max;
    uint64_t calls[IO_MEMORY_CALL_KINDS];
    unsigned fail_calls;
    uint64_t fail_nth;
    Status fail_status;
};

struct IoFile {
    IoMemory *memory;
    Node *node;
    bool writable;
    char *lock; /* the path of the lock that it is; NULL for an ordinary file */
};

static void *need(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static Node *node_keep(Node *node)
{
    if (node) {
        node->references++;
    }
    return node;
}

static void node_drop(Node *node)
{
    if (node && --node->references == 0) {
        free(node->bytes);
        free(node);
    }
}

static void node_set(Node **place, Node *node)
{
    Node *old = *place;
    *place = node_keep(node);
    node_drop(old);
}

static void node_append(Node *node, const void *bytes, size_t count)
{
    if (count > node->room - node->count) {
        node->room = node->count + count + node->room / 2;
        node->bytes = need(realloc(node->bytes, node->room));
    }
    if (count > 0) {
        memcpy(node->bytes + node->count, bytes, count);
    }
    node->count += count;
}

static Entry *entry_find(IoMemory *memory, const char *path)
{
    for (size_t i = 0; i < memory->entry_count; i++) {
        if (strcmp(memory->entries[i].path, path) == 0) {
            return &memory->entries[i];
        }
    }
    return NULL;
}

static Entry *entry_make(IoMemory *memory, const char *path)
{
    Entry *entry = entry_find(memory, path);
    if (!entry) {
        memory->entries = need(realloc(memory->entries, (memory->entry_count + 1) * sizeof *memory->entries));
        entry = &memory->entries[memory->entry_count++];
        *entry = (Entry){.path = need(strdup(path))};
    }
    return entry;
}

/* Every call begins here: it is counted, and fails when its time has come. */
static Status call_begin(IoMemory *memory, IoMemoryCall call, const char *what, Error *reterr)
{
    memory->calls[__builtin_ctz(call)]++;
    if ((memory->fail_calls & call) && memory->fail_nth > 0 && --memory->fail_nth == 0) {
        return error_set(reterr, memory->fail_status, "%s fails because the test wants it", what);
    }
    return STATUS_OK;
}

static IoFile *file_new(IoMemory *memory, Node *node, bool writable)
{
    IoFile *file = need(calloc(1, sizeof *file));
    *file = (IoFile){.memory = memory, .node = node_keep(node), .writable = writable};
    memory->open_files++;
    return file;
}

static Status memory_create(void *self, const char *path, IoFile **ret_file, Error *reterr)
{
    Status status = call_begin(self, IO_MEMORY_CREATE, "create", reterr);
    if (status == STATUS_OK) {
        Node *node = need(calloc(1, sizeof *node));
        node_set(&entry_make(self, path)->live, node);
        *ret_file = file_new(self, node, true);
    }
    return status;
}

static Status memory_open(void *self, const char *path, IoFile **ret_file, uint64_t *ret_bytes, Error *reterr)
{
    Status status = call_begin(self, IO_MEMORY_OPEN, "open", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    const Entry *entry = entry_find(self, path);
    if (!entry || !entry->live) {
        return error_set(reterr, STATUS_REFUSED, "cannot open %s: no such file", path);
    }
    *ret_file = file_new(self, entry->live, false);
    *ret_bytes = entry->live->count;
    return STATUS_OK;
}

static uint64_t bytes_used(const IoMemory *memory)
{
    uint64_t used = 0;
    for (size_t i = 0; i < memory->entry_count; i++) {
        used += memory->entries[i].live ? memory->entries[i].live->count : 0;
    }
    return used;
}

static Status memory_append(IoFile *file, Str data, Error *reterr)
{
    assert(file->writable);
    IoMemory *memory = file->memory;
    Status status = call_begin(memory, IO_MEMORY_APPEND, "append", reterr);
    if (status == STATUS_OK && memory->bytes_max != UINT64_MAX && bytes_used(memory) + data.len > memory->bytes_max) {
        status = error_set(reterr, STATUS_BUSY, "no space left");
    }
    node_append(file->node, data.ptr, status == STATUS_OK ? data.len : data.len / 2);
    return status;
}

static Status memory_sync(IoFile *file, Error *reterr)
{
    assert(file->writable);
    Status status = call_begin(file->memory, IO_MEMORY_SYNC, "sync", reterr);
    if (status == STATUS_OK) {
        file->node->synced = file->node->count;
    }
    return status;
}

static Status memory_read_at(IoFile *file, uint64_t offset, void *data, size_t bytes, Error *reterr)
{
    Status status = call_begin(file->memory, IO_MEMORY_READ, "read", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    if (offset > file->node->count || bytes > file->node->count - offset) {
        return error_set(reterr, STATUS_REFUSED, "the file ends before byte %llu",
                         (unsigned long long)(offset + bytes));
    }
    if (bytes > 0) {
        memcpy(data, file->node->bytes + offset, bytes);
    }
    return STATUS_OK;
}

static void memory_close(IoFile *file)
{
    if (file) {
        file->memory->open_files--;
        if (file->lock) {
            entry_find(file->memory, file->lock)->locked = false;
            free(file->lock);
        }
        node_drop(file->node);
        free(file);
    }
}

static Status memory_rename(void *self, const char *from, const char *to, Error *reterr)
{
    Status status = call_begin(self, IO_MEMORY_RENAME, "rename", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Entry *target = entry_make(self, to); /* may move the entries, so it goes first */
    Entry *source = entry_find(self, from);
    if (!source || !source->live) {
        return error_set(reterr, STATUS_REFUSED, "cannot rename %s: no such file", from);
    }
    if (source != target) {
        node_set(&target->live, source->live);
        node_set(&source->live, NULL);
    }
    return STATUS_OK;
}

static Status memory_remove(void *self, const char *path, Error *reterr)
{
    Status status = call_begin(self, IO_MEMORY_REMOVE, "remove", reterr);
    Entry *entry = entry_find(self, path);
    if (status == STATUS_OK && entry) {
        node_set(&entry->live, NULL);
    }
    return status;
}

/* The name within the directory, NULL when the path lies elsewhere. */
static const char *name_in(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    if (strcmp(dir, ".") == 0) {
        return strchr(path, '/') ? NULL : path;
    }
    return strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/') ? path + len + 1 : NULL;
}

static Status memory_sync_dir(void *self, const char *path, Error *reterr)
{
    IoMemory *memory = self;
    Status status = call_begin(memory, IO_MEMORY_SYNC_DIR, "sync of the directory", reterr);
    for (size_t i = 0; status == STATUS_OK && i < memory->entry_count; i++) {
        if (name_in(memory->entries[i].path, path)) {
            node_set(&memory->entries[i].durable, memory->entries[i].live);
        }
    }
    return status;
}

static Status memory_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                          Error *reterr)
{
    IoMemory *memory = self;
    Status status = call_begin(memory, IO_MEMORY_LIST, "list", reterr);
    for (size_t i = 0; status == STATUS_OK && i < memory->entry_count; i++) {
        const char *name = name_in(memory->entries[i].path, path);
        if (name && memory->entries[i].live) {
            visit(context, name);
        }
    }
    return status;
}

/* Directories are not kept: every one is there. */
static Status memory_make_dir(void *self, const char *path, Error *reterr)
{
    (void)path;
    return call_begin(self, IO_MEMORY_MAKE_DIR, "making a directory", reterr);
}

static Status memory_lock(void *self, const char *path, IoFile **ret_lock, Error *reterr)
{
    IoMemory *memory = self;
    Status status = call_begin(memory, IO_MEMORY_LOCK, "lock", reterr);
    if (status != STATUS_OK) {
        return status;
    }
    Entry *entry = entry_make(memory, path);
    if (entry->locked) {
        return error_set(reterr, STATUS_CONFLICT, "held by another process");
    }
    if (!entry->live) {
        Node *node = need(calloc(1, sizeof *node));
        node_set(&entry->live, node);
    }
    entry->locked = true;
    *ret_lock = file_new(memory, entry->live, false);
    (*ret_lock)->lock = need(strdup(path));
    return STATUS_OK;
}

static Status memory_file_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    Status status = call_begin(self, IO_MEMORY_FILE_BYTES, "look at a file", reterr);
    const Entry *entry = entry_find(self, path);
    if (status == STATUS_OK && (!entry || !entry->live)) {
        return error_set(reterr, STATUS_REFUSED, "cannot look at %s: no such file", path);
    }
    if (status == STATUS_OK) {
        *ret_bytes = entry->live->count;
    }
    return status;
}

static Status memory_free_bytes(void *self, const char *path, uint64_t *ret_bytes, Error *reterr)
{
    (void)path;
    const IoMemory *memory = self;
    Status status = call_begin(self, IO_MEMORY_FREE_BYTES, "look at the free space", reterr);
    if (status == STATUS_OK) {
        uint64_t used = bytes_used(memory);
        *ret_bytes = used < memory->bytes_max ? memory->bytes_max - used : 0;
    }
    return status;
}

IoMemory *io_memory_new(void)
{
    IoMemory *memory = need(calloc(1, sizeof *memory));
    memory->bytes_max = UINT64_MAX;
    memory->io = (Io){
        .create = memory_create,
        .open = memory_open,
        .append = memory_append,
        .sync = memory_sync,
        .read_at = memory_read_at,
        .close = memory_close,
        .rename = memory_rename,
        .remove = memory_remove,
        .sync_dir = memory_sync_dir,
        .list = memory_list,
        .make_dir = memory_make_dir,
        .lock = memory_lock,
        .file_bytes = memory_file_bytes,
        .free_bytes = memory_free_bytes,
        .self = memory,
    };
    return memory;
}

void io_memory_free(IoMemory *memory)
{
    if (!memory) {
        return;
    }
    assert(memory->open_files == 0);
    for (size_t i = 0; i < memory->entry_count; i++) {
        node_drop(memory->entries[i].live);
        node_drop(memory->entries[i].durable);
        free(memory->entries[i].path);
    }
    free(memory->entries);
    free(memory);
}

const Io *io_memory_io(IoMemory *memory) { return &memory->io; }

void io_memory_fail(IoMemory *memory, unsigned calls, uint64_t nth, Status status)
{
    memory->fail_calls = calls;
    memory->fail_nth = nth;
    memory->fail_status = status;
}

uint64_t io_memory_calls(const IoMemory *memory, unsigned calls)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < IO_MEMORY_CALL_KINDS; kind++) {
        sum += calls & 1u << kind ? memory->calls[kind] : 0;
    }
    return sum;
}

void io_memory_limit(IoMemory *memory, uint64_t bytes) { memory->bytes_max = bytes; }

bool io_memory_peek(IoMemory *memory, const char *path, uint8_t **ret_bytes, size_t *ret_count)
{
    const Entry *entry = entry_find(memory, path);
    if (!entry || !entry->live) {
        return false;
    }
    *ret_bytes = entry->live->bytes;
    *ret_count = entry->live->count;
    return true;
}

void io_memory_place(IoMemory *memory, const char *path, const void *bytes, size_t count)
{
    Node *node = need(calloc(1, sizeof *node));
    node_append(node, bytes, count);
    node->synced = count;
    Entry *entry = entry_make(memory, path);
    node_set(&entry->live, node);
    node_set(&entry->durable, node);
}

void io_memory_crash(IoMemory *memory, uint64_t seed)
{
    for (size_t i = 0; i < memory->entry_count; i++) {
        Entry *entry = &memory->entries[i];
        if (entry->live != entry->durable) {
            bool made_it = random_next(&seed) & 1;
            node_set(made_it ? &entry->durable : &entry->live, made_it ? entry->live : entry->durable);
        }
        Node *node = entry->live;
        if (node && node->count > node->synced) {
            node->count = node->synced + random_next(&seed) % (node->count - node->synced + 1);
            node->synced = node->count;
        }
    }
}
