/* Puts every file of the directories named as arguments to a harness. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20 };

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    /* Of the size that was read and no more, so that a sanitizer sees a step beyond the end. */
    uint8_t *all = malloc(FILE_BYTES_MAX);
    size_t size = all ? fread(all, 1, FILE_BYTES_MAX, file) : 0;
    uint8_t *data = malloc(size ? size : 1);
    if (!all || !data) {
        exit(1);
    }
    memcpy(data, all, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    free(all);
    fclose(file);
}

static int replay_directory(const char *directory)
{
    int count = 0;
    DIR *entries = opendir(directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char path[4096];
        if (entry->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
            replay_file(path);
            count++;
        }
    }
    if (entries) {
        closedir(entries);
    }
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay_directory(argv[i]);
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
