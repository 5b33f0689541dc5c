#include "cli/ingest_places.h"

enum { CHUNK_BYTES = 1 << 16, BYTES_MAX = 64 << 20, ITEMS_FIRST = 64 };

static bool grow(IngestPlaces *places)
{
    if (places->count < places->cap) {
        return true;
    }
    size_t cap = places->cap ? 2 * places->cap : ITEMS_FIRST;
    SourcePlace *items = ARENA_ARRAY(&places->arena, SourcePlace, cap);
    if (!items) {
        return false;
    }
    if (places->count > 0) {
        memcpy(items, places->items, places->count * sizeof *items);
    }
    places->items = items;
    places->cap = cap;
    return true;
}

static bool keep(void *context, const SourcePlace *place)
{
    IngestPlaces *places = context;
    SourcePlace copy = *place;
    if (!grow(places) || !(copy.part = arena_copy(&places->arena, place->part)).ptr ||
        !(copy.mark = arena_copy(&places->arena, place->mark)).ptr) {
        return false;
    }
    places->items[places->count++] = copy;
    return true;
}

static Status read_places(IngestPlaces *places, StoreReader *reader, Error *reterr)
{
    StoreView *view = NULL;
    Status status = reader_begin(reader, &view, reterr);
    if (status != STATUS_OK) {
        return status;
    }
    status = reader_places(reader, INGEST_SOURCE, keep, places, reterr);
    if (status == STATUS_OK) {
        status = reader_check(reader, reterr);
    }
    reader_end(reader);
    view_free(view);
    return status;
}

Status ingest_places_read(IngestPlaces *places, Store *store, Error *reterr)
{
    StoreReader *reader = NULL;
    *places = (IngestPlaces){0};
    arena_init(&places->arena, CHUNK_BYTES, BYTES_MAX);
    Status status = store_reader_open(store, &reader, reterr);
    if (status == STATUS_OK) {
        status = read_places(places, reader, reterr);
    }
    store_reader_close(reader);
    return status;
}

void ingest_places_release(IngestPlaces *places) { arena_release(&places->arena); }

bool ingest_places_find(const IngestPlaces *places, Str path, FileMark *ret_mark)
{
    size_t first = 0, end = places->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const SourcePlace *place = &places->items[middle];
        int order = str_compare(place->part, path);
        if (order == 0) {
            return file_mark_parse(place->mark, place->next, ret_mark);
        }
        first = order < 0 ? middle + 1 : first;
        end = order < 0 ? end : middle;
    }
    return false;
}
