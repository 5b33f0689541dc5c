/* A table for people: columns as wide as their widest cell, by code points. */
#ifndef WEIR_CLI_TABLE_H
#define WEIR_CLI_TABLE_H

#include "base/arena.h"
#include "base/buf.h"

enum { TABLE_COLUMNS_MAX = 24 };

typedef struct TableRow TableRow;

typedef struct Table {
    Arena arena; /* the rows and their texts */
    Str names[TABLE_COLUMNS_MAX];
    bool is_number[TABLE_COLUMNS_MAX]; /* written at the right */
    size_t columns;
    TableRow *first, **last;
    bool failed; /* no memory for another cell */
} Table;

void table_init(Table *table);
void table_release(Table *table);

/* Finds the column of that name or adds it; the name is copied. TABLE_COLUMNS_MAX when there are too many. */
size_t table_column(Table *table, Str name, bool is_number);
void table_begin_row(Table *table);
/* Fills a cell of the newest row; the text is copied, control characters in it become spaces. */
void table_put(Table *table, size_t column, Str text);

/* The names and the rows; nothing when there are no rows. */
void table_print(const Table *table, Buf *out);

/* Control characters become spaces: a terminal acts on them, and texts of records come from strangers. */
void text_make_printable(char *text, size_t len);

#endif
