#include "query/event_output.h"

#include "base/decimal.h"
#include "base/timestamp.h"
#include "record/record_json.h"

/* ---- One event --------------------------------------------------------------------------------------------------- */

static void put_json(const RecordOutput *output, const StoredRecord *stored)
{
    Buf *buf = output->step->out;
    buf_put_char(buf, '{');
    event_put_json_fields(buf, &stored->record, stored->seq, output->scale);
    if (output->taken_back_by) {
        buf_put_key_i64(buf, "takenBackBy", output->taken_back_by);
    }
    BUF_PUT(buf, ",\"status\":\"processed\"");
    buf_put_key(buf, "receivedAt");
    buf_put_time_json(buf, stored->received_us);
    buf_put_char(buf, '}');
}

static void put_csv_header(Buf *buf)
{
    BUF_PUT(buf, "hash,recordId,id,client,metric,amount,unit,timestamp,receivedAt,correction,takenBackBy\r\n");
}

static void put_csv_decimal(Buf *buf, Total value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    buf_put_char(buf, ',');
    buf_put(buf, (Str){text, decimal_format(value, scale, text)});
}

static void put_csv_time(Buf *buf, int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES_MAX];
    buf_put_char(buf, ',');
    buf_put(buf, (Str){text, timestamp_format(us, text)});
}

static void put_csv_text(Buf *buf, Str text)
{
    buf_put_char(buf, ',');
    buf_put_csv(buf, text);
}

/* Empty for 0: there is none. */
static void put_csv_number(Buf *buf, uint64_t number)
{
    buf_put_char(buf, ',');
    if (number) {
        buf_put_u64(buf, number);
    }
}

static void put_csv(const RecordOutput *output, const StoredRecord *stored)
{
    Buf *buf = output->step->out;
    const Record *record = &stored->record;
    Str key;
    uint64_t number = 0;
    record_has_event_id(record, &key, &number);
    buf_put_csv(buf, record_event_hash(record));
    put_csv_text(buf, record->record_id);
    buf_put_char(buf, ',');
    buf_put_i64(buf, stored->seq);
    put_csv_text(buf, record->source_id);
    put_csv_text(buf, record->reference);
    put_csv_decimal(buf, record_amount(record), output->scale);
    put_csv_text(buf, record->unit);
    put_csv_time(buf, record->time_us);
    put_csv_time(buf, stored->received_us);
    put_csv_number(buf, number);
    put_csv_number(buf, (uint64_t)output->taken_back_by);
    BUF_PUT(buf, "\r\n");
}

const RecordShape event_shape = {put_json, put_csv_header, put_csv};

/* ---- A group ----------------------------------------------------------------------------------------------------- */

/* The cells of a group; NULL when it has none of that sign. */
typedef struct Signed {
    const GroupCell *negative, *positive;
    int64_t count;
    Total sum;
} Signed;

static size_t type_column(const EventGroupOutput *output) { return groups_column_count(output->groups) - 1; }

static bool is_same_group(const EventGroupOutput *output, const GroupCell *a, const GroupCell *b)
{
    bool same = a->window == b->window;
    for (size_t i = 0; i < type_column(output) && same; i++) {
        same = a->keys[i] == b->keys[i];
    }
    return same;
}

static void add_cell(const EventGroupOutput *output, Signed *group, const GroupCell *cell)
{
    bool negative = str_is(cell->keys[type_column(output)]->text, "negative");
    *(negative ? &group->negative : &group->positive) = cell;
    group->count += cell->count;
    group->sum += cell->net;
}

static Signed take_group(EventGroupOutput *output)
{
    Signed group = {0};
    const GroupCell *first = groups_cell_at(output->groups, output->next++);
    add_cell(output, &group, first);
    if (event_group_more(output)) {
        const GroupCell *second = groups_cell_at(output->groups, output->next);
        if (is_same_group(output, first, second)) {
            add_cell(output, &group, second);
            output->next++;
        }
    }
    return group;
}

/* The largest negative amounts come first. */
static Total value_at(const Signed *group, uint64_t rank)
{
    uint64_t negatives = group->negative ? (uint64_t)group->negative->count : 0;
    const GroupCell *cell = rank <= negatives ? group->negative : group->positive;
    int64_t value = sample_value_at(cell->sample, rank <= negatives ? negatives - rank + 1 : rank - negatives);
    /* A histogram's bucket can reach beyond the values that fell into it. */
    value = value < cell->min ? cell->min : value > cell->max ? cell->max : value;
    return rank <= negatives ? -(Total)value : value;
}

/* Rounded half away from zero. */
static Total average(const Signed *group)
{
    Total twice = 2 * (group->sum < 0 ? -group->sum : group->sum), count = group->count;
    Total rounded = (twice + count) / (2 * count);
    return group->sum < 0 ? -rounded : rounded;
}

static Total measure_of(const Signed *group, Measure measure)
{
    const GroupCell *negative = group->negative, *positive = group->positive;
    switch (measure) {
    case MEASURE_MIN: return negative ? -(Total)negative->max : positive->min;
    case MEASURE_MAX: return positive ? positive->max : -(Total)negative->min;
    case MEASURE_AVG: return average(group);
    case MEASURE_P50: return value_at(group, sample_rank((uint64_t)group->count, 50));
    case MEASURE_P95: return value_at(group, sample_rank((uint64_t)group->count, 95));
    case MEASURE_P99: return value_at(group, sample_rank((uint64_t)group->count, 99));
    default: return group->sum;
    }
}

/* The sum and the count are always there. */
static bool is_written(const EventGroupOutput *output, Measure measure)
{
    return measure == MEASURE_SUM || (measure >= MEASURE_MIN && output->measures & 1u << measure);
}

static const char *key_name(GroupKey key)
{
    return key == KEY_SOURCE_ID ? "client" : key == KEY_REFERENCE ? "metric" : group_key_names[key];
}

void event_group_put_json(EventGroupOutput *output, Buf *buf)
{
    Signed group = take_group(output);
    const GroupCell *cell = group.negative ? group.negative : group.positive;
    buf_put_char(buf, '{');
    if (output->windowed) {
        buf_put_key(buf, "windowStart");
        buf_put_time_json(buf, cell->window);
    }
    for (size_t i = 0; i < type_column(output); i++) {
        buf_put_key(buf, key_name(groups_column(output->groups, i)));
        buf_put_json(buf, cell->keys[i]->text);
    }
    buf_put_key_i64(buf, "count", group.count);
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_written(output, measure)) {
            buf_put_key(buf, measure_names[measure]);
            buf_put_decimal_json(buf, measure_of(&group, measure), output->scale);
        }
    }
    buf_put_char(buf, '}');
}

void event_group_put_csv_header(const EventGroupOutput *output, Buf *buf)
{
    if (output->windowed) {
        BUF_PUT(buf, "windowStart,");
    }
    for (size_t i = 0; i < type_column(output); i++) {
        buf_put(buf, str_from(key_name(groups_column(output->groups, i))));
        buf_put_char(buf, ',');
    }
    BUF_PUT(buf, "count");
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_written(output, measure)) {
            buf_put_char(buf, ',');
            buf_put(buf, str_from(measure_names[measure]));
        }
    }
    BUF_PUT(buf, "\r\n");
}

void event_group_put_csv(EventGroupOutput *output, Buf *buf)
{
    Signed group = take_group(output);
    const GroupCell *cell = group.negative ? group.negative : group.positive;
    if (output->windowed) {
        char text[TIMESTAMP_TEXT_BYTES_MAX];
        buf_put(buf, (Str){text, timestamp_format(cell->window, text)});
        buf_put_char(buf, ',');
    }
    for (size_t i = 0; i < type_column(output); i++) {
        buf_put_csv(buf, cell->keys[i]->text);
        buf_put_char(buf, ',');
    }
    buf_put_i64(buf, group.count);
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_written(output, measure)) {
            put_csv_decimal(buf, measure_of(&group, measure), output->scale);
        }
    }
    BUF_PUT(buf, "\r\n");
}
