#include "query/group_output.h"

#include "base/decimal.h"
#include "record/record_json.h"

bool group_output_more(const GroupOutput *output) { return output->next < groups_cell_count(output->groups); }

static bool unit_is_key(const GroupOutput *output) { return output->key_count == groups_column_count(output->groups); }

static bool same_group(const GroupOutput *output, const GroupCell *a, const GroupCell *b)
{
    bool same = a->window == b->window;
    for (size_t i = 0; i < output->key_count && same; i++) {
        same = a->keys[i] == b->keys[i];
    }
    return same;
}

/* Rounded half up; values are never negative. */
static Total average(const GroupCell *cell) { return (2 * cell->gross + cell->count) / (2 * (Total)cell->count); }

/* A histogram's bucket can reach beyond the values that fell into it. */
static Total percentile(const GroupCell *cell, unsigned percent)
{
    int64_t value = sample_percentile(cell->sample, percent);
    value = value < cell->min ? cell->min : value;
    return value > cell->max ? cell->max : value;
}

static Total measure_of(const GroupCell *cell, Measure measure)
{
    switch (measure) {
    case MEASURE_MIN: return cell->min;
    case MEASURE_MAX: return cell->max;
    case MEASURE_AVG: return average(cell);
    case MEASURE_P50: return percentile(cell, 50);
    case MEASURE_P95: return percentile(cell, 95);
    case MEASURE_P99: return percentile(cell, 99);
    default: return cell->gross;
    }
}

/* The measures that are not there anyway. */
static bool is_extra(const GroupOutput *output, Measure measure)
{
    return measure >= MEASURE_MIN && (output->measures & 1u << measure);
}

static void put_totals(Buf *buf, int64_t count, Total gross, Total net, unsigned scale)
{
    buf_put_key_i64(buf, "recordCount", count);
    buf_put_key(buf, "totalValue");
    buf_put_decimal_json(buf, gross, scale);
    buf_put_key(buf, "netValue");
    buf_put_decimal_json(buf, net, scale);
}

static void put_extras(const GroupOutput *output, Buf *buf, const GroupCell *cell)
{
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_extra(output, measure)) {
            buf_put_key(buf, measure_names[measure]);
            buf_put_decimal_json(buf, measure_of(cell, measure), output->scale);
        }
    }
}

static void put_keys(const GroupOutput *output, Buf *buf, const GroupCell *cell)
{
    if (output->windowed) {
        buf_put_key(buf, "windowStart");
        buf_put_time_json(buf, cell->window);
    }
    for (size_t i = 0; i < output->key_count; i++) {
        buf_put_key(buf, group_key_names[groups_column(output->groups, i)]);
        buf_put_json(buf, cell->keys[i]->text);
    }
}

static void put_unit(const GroupOutput *output, Buf *buf, const GroupCell *cell)
{
    buf_put_char(buf, '{');
    buf_put_key(buf, "unit");
    buf_put_json(buf, cell->keys[output->key_count]->text);
    put_totals(buf, cell->count, cell->gross, cell->net, output->scale);
    put_extras(output, buf, cell);
    buf_put_char(buf, '}');
}

/* Everything of a group but its units, and where they end. */
static void begin_group(GroupOutput *output, Buf *buf)
{
    const GroupCell *first = groups_cell_at(output->groups, output->next);
    int64_t count = 0;
    Total gross = 0, net = 0;
    size_t end = output->next;
    for (; end < groups_cell_count(output->groups); end++) {
        const GroupCell *cell = groups_cell_at(output->groups, end);
        if (!same_group(output, first, cell)) {
            break;
        }
        count += cell->count;
        gross += cell->gross;
        net += cell->net;
    }
    buf_put_char(buf, '{');
    put_keys(output, buf, first);
    put_totals(buf, count, gross, net, output->scale);
    output->group_end = end;
}

bool group_output_json(GroupOutput *output, Buf *buf)
{
    enum { UNITS_MAX = 16 };
    bool begun = output->next < output->group_end;
    if (!begun) {
        begin_group(output, buf);
        if (unit_is_key(output)) {
            put_extras(output, buf, groups_cell_at(output->groups, output->next++));
            buf_put_char(buf, '}');
            return true;
        }
        BUF_PUT(buf, ",\"units\":[");
    }
    for (size_t i = 0; i < UNITS_MAX && output->next < output->group_end; i++) {
        if (begun || i > 0) {
            buf_put_char(buf, ',');
        }
        put_unit(output, buf, groups_cell_at(output->groups, output->next++));
    }
    if (output->next < output->group_end) {
        return false;
    }
    BUF_PUT(buf, "]}");
    return true;
}

void group_output_csv_header(const GroupOutput *output, Buf *buf)
{
    if (output->windowed) {
        BUF_PUT(buf, "windowStart,");
    }
    for (size_t i = 0; i < groups_column_count(output->groups); i++) {
        buf_put(buf, str_from(group_key_names[groups_column(output->groups, i)]));
        buf_put_char(buf, ',');
    }
    BUF_PUT(buf, "recordCount,totalValue,netValue");
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_extra(output, measure)) {
            buf_put_char(buf, ',');
            buf_put(buf, str_from(measure_names[measure]));
        }
    }
    BUF_PUT(buf, "\r\n");
}

static void put_csv_decimal(Buf *buf, Total value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    buf_put_char(buf, ',');
    buf_put(buf, (Str){text, decimal_format(value, scale, text)});
}

void group_output_csv(GroupOutput *output, Buf *buf)
{
    const GroupCell *cell = groups_cell_at(output->groups, output->next++);
    if (output->windowed) {
        char text[TIMESTAMP_TEXT_BYTES_MAX];
        buf_put(buf, (Str){text, timestamp_format(cell->window, text)});
        buf_put_char(buf, ',');
    }
    for (size_t i = 0; i < groups_column_count(output->groups); i++) {
        buf_put_csv(buf, cell->keys[i]->text);
        buf_put_char(buf, ',');
    }
    buf_put_i64(buf, cell->count);
    put_csv_decimal(buf, cell->gross, output->scale);
    put_csv_decimal(buf, cell->net, output->scale);
    for (Measure measure = MEASURE_SUM; measure < MEASURE_KINDS; measure++) {
        if (is_extra(output, measure)) {
            put_csv_decimal(buf, measure_of(cell, measure), output->scale);
        }
    }
    BUF_PUT(buf, "\r\n");
}
