#include "cli/table.h"

enum { BYTES_MAX = 512 << 20, CHUNK_BYTES = 1 << 18 };

struct TableRow {
    TableRow *next;
    Str cells[TABLE_COLUMNS_MAX];
};

void table_init(Table *table)
{
    *table = (Table){0};
    arena_init(&table->arena, CHUNK_BYTES, BYTES_MAX);
    table->last = &table->first;
}

void table_release(Table *table) { arena_release(&table->arena); }

size_t table_column(Table *table, Str name, bool is_number)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (str_equal(table->names[i], name)) {
            return i;
        }
    }
    if (table->columns == TABLE_COLUMNS_MAX) {
        return TABLE_COLUMNS_MAX;
    }
    table->names[table->columns] = arena_copy(&table->arena, name);
    table->is_number[table->columns] = is_number;
    table->failed |= !table->names[table->columns].ptr;
    return table->columns++;
}

void table_begin_row(Table *table)
{
    TableRow *row = ARENA_NEW(&table->arena, TableRow);
    if (!row) {
        table->failed = true;
        return;
    }
    *table->last = row;
    table->last = &row->next;
}

/* The newest row, by way of the pointer that will hold the next one. */
static TableRow *newest(Table *table)
{
    return table->first ? (TableRow *)((char *)table->last - offsetof(TableRow, next)) : NULL;
}

/* C0, DEL, and the C1 controls as UTF-8 has them. */
void text_make_printable(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_c1 = c == 0xC2 && i + 1 < len && (unsigned char)text[i + 1] < 0xA0;
        if (is_c1) {
            text[i++] = ' ';
        }
        if (c < 0x20 || c == 0x7F || is_c1) {
            text[i] = ' ';
        }
    }
}

void table_put(Table *table, size_t column, Str text)
{
    TableRow *row = newest(table);
    if (table->failed || !row || column >= TABLE_COLUMNS_MAX) {
        return;
    }
    Str copy = arena_copy(&table->arena, text);
    table->failed |= !copy.ptr;
    if (copy.ptr) {
        text_make_printable((char *)copy.ptr, copy.len);
        row->cells[column] = copy;
    }
}

static size_t width_of(Str text)
{
    int64_t points = str_count_code_points(text);
    return points < 0 ? text.len : (size_t)points;
}

/* Nothing is put behind the last cell of a line. */
static void put_line(const Table *table, Buf *out, const Str *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->columns; i++) {
        int padding = (int)(widths[i] - width_of(cells[i]));
        bool last = i + 1 == table->columns;
        if (table->is_number[i]) {
            buf_printf(out, "%*s", padding, "");
        }
        buf_put(out, cells[i]);
        if (!last) {
            buf_printf(out, "%*s", (table->is_number[i] ? 0 : padding) + 2, "");
        }
    }
    buf_put_char(out, '\n');
}

void table_print(const Table *table, Buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    if (!table->first) {
        return;
    }
    for (size_t i = 0; i < table->columns; i++) {
        widths[i] = width_of(table->names[i]);
        for (const TableRow *row = table->first; row; row = row->next) {
            size_t width = width_of(row->cells[i]);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    put_line(table, out, table->names, widths);
    for (const TableRow *row = table->first; row; row = row->next) {
        put_line(table, out, row->cells, widths);
    }
}
