/* What becomes of JSON texts, by the names of their files, as the JSON parsing test suite has it: y_… is read, n_… is
 * refused, and i_… (where RFC 8259 leaves it open) does not matter as long as it ends. The directory is the
 * argument. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/record_json.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static Status read_case(const char *path, char *ret_message, size_t size)
{
    static char text[FILE_BYTES_MAX + YYJSON_PADDING_SIZE];
    Arena arena;
    Error error = {0};
    yyjson_val *root;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t len = fread(text, 1, FILE_BYTES_MAX, file);
    fclose(file);
    arena_init(&arena, 4096, 1 << 26);
    Status status = json_read(text, len, &arena, &root, &error);
    arena_release(&arena);
    snprintf(ret_message, size, "%s", error.message);
    return status;
}

static bool is_right(char kind, Status status)
{
    bool is_known = status == STATUS_OK || status == STATUS_REFUSED;
    return is_known && (kind == 'i' || status == (kind == 'y' ? STATUS_OK : STATUS_REFUSED));
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, NULL, alphasort) : -1, number = 0;
    if (count < 0) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char path[4096], message[ERROR_MESSAGE_BYTES_MAX];
        const char *name = entries[i]->d_name;
        if (strchr("yni", name[0]) && name[1] == '_') {
            snprintf(path, sizeof path, "%s/%s", argv[1], name);
            Status status = read_case(path, message, sizeof message);
            printf("%s %d - %s: %s %s\n", is_right(name[0], status) ? "ok" : "not ok", ++number, name,
                   status_name(status), message);
        }
        free(entries[i]);
    }
    free(entries);
    printf("1..%d\n", number);
    return number > 0 ? 0 : 1;
}
