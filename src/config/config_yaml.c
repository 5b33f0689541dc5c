#include "config/config_yaml.h"

#include <errno.h>
#include <yaml.h>

#include "base/buf.h"
#include "config/config.h"

enum { NAME_BYTES_MAX = 256, DEPTH_MAX = 8, LIST_BYTES_MAX = 1 << 16 };

typedef struct Reader {
    yaml_parser_t yaml;
    const char *path;
    ConfigTaker *take;
    void *context;
    Buf name;                  /* dotted, of the mapping we are in */
    size_t lengths[DEPTH_MAX]; /* of the name, at each level above */
    int depth;                 /* mappings we are in */
    bool after_key;            /* the next event is a value */
    Buf list;                  /* the items of the list that we are in, each with a line feed behind it */
    bool in_list, has_comma;   /* an item holds one */
    size_t list_line;          /* where it begins */
    bool ended;
} Reader;

static Status refuse(const Reader *reader, size_t line, const char *what, Error *reterr)
{
    return error_set(reterr, STATUS_REFUSED, "%s:%zu: %s", reader->path, line, what);
}

static Status refuse_syntax(const Reader *reader, Error *reterr)
{
    const yaml_parser_t *yaml = &reader->yaml;
    if (yaml->error == YAML_READER_ERROR) { /* it names a byte, not a line */
        return error_set(reterr, STATUS_REFUSED, "%s: %s at byte %zu", reader->path, yaml->problem,
                         yaml->problem_offset);
    }
    return error_set(reterr, STATUS_REFUSED, "%s:%zu: not YAML: %s%s%s", reader->path, yaml->problem_mark.line + 1,
                     yaml->context ? yaml->context : "", yaml->context ? ", " : "",
                     yaml->problem ? yaml->problem : "unreadable");
}

/* Appends a key to the dotted name; leave_key takes it off again. */
static Status enter_key(Reader *reader, Str key, size_t line, Error *reterr)
{
    reader->lengths[reader->depth - 1] = reader->name.len;
    if (reader->name.len > 0) {
        buf_put_char(&reader->name, '.');
    }
    buf_put(&reader->name, key);
    reader->after_key = true;
    return reader->name.failed ? refuse(reader, line, "a name is too long", reterr) : STATUS_OK;
}

static void leave_key(Reader *reader)
{
    reader->name.len = reader->lengths[reader->depth - 1];
    reader->after_key = false;
}

/* An empty section ("http:" with nothing below) says nothing, which is fine. */
static bool is_null(const yaml_event_t *event)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (event->data.scalar.length == 0 || strcmp((const char *)event->data.scalar.value, "~") == 0);
}

static Status take_item(Reader *reader, Str item, size_t line, Error *reterr)
{
    if (item.len > 0 && memchr(item.ptr, '\n', item.len)) {
        return refuse(reader, line, "an item of a list must not contain a line feed", reterr);
    }
    reader->has_comma |= item.len > 0 && memchr(item.ptr, ',', item.len);
    buf_put(&reader->list, item);
    buf_put_char(&reader->list, '\n');
    return reader->list.failed ? refuse(reader, line, "a list is too long", reterr) : STATUS_OK;
}

static Status begin_list(Reader *reader, size_t line, Error *reterr)
{
    if (reader->depth == 0) {
        return refuse(reader, line, "expected \"name: value\"", reterr);
    }
    if (!reader->after_key || reader->in_list) {
        return refuse(reader, line, reader->in_list ? "a list holds single values" : "a list cannot be a name", reterr);
    }
    buf_reset(&reader->list);
    reader->in_list = true;
    reader->has_comma = false;
    reader->list_line = line;
    return STATUS_OK;
}

/* As it would be written elsewhere: with commas, unless one is in an item. */
static Status end_list(Reader *reader, Error *reterr)
{
    Buf *list = &reader->list;
    if (!reader->has_comma && list->len > 0) {
        list->len--;
        for (char *c = list->ptr; c < list->ptr + list->len; c++) {
            *c = *c == '\n' ? ',' : *c;
        }
    }
    ConfigSetting setting = {buf_str(&reader->name), buf_str(list), true, reader->list_line};
    Status status = reader->take(reader->context, &setting, reterr);
    reader->in_list = false;
    leave_key(reader);
    return status;
}

static Status take_scalar(Reader *reader, const yaml_event_t *event, size_t line, Error *reterr)
{
    Str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (reader->in_list) {
        return take_item(reader, text, line, reterr);
    }
    if (reader->depth == 0) {
        return text.len ? refuse(reader, line, "expected \"name: value\"", reterr) : STATUS_OK;
    }
    if (!reader->after_key) {
        return enter_key(reader, text, line, reterr);
    }
    Status status = STATUS_OK;
    if (!is_null(event)) {
        status = reader->take(reader->context, &(ConfigSetting){buf_str(&reader->name), text, false, line}, reterr);
    }
    leave_key(reader);
    return status;
}

static Status begin_mapping(Reader *reader, size_t line, Error *reterr)
{
    if (reader->in_list) {
        return refuse(reader, line, "a list holds single values", reterr);
    }
    if (reader->depth > 0 && !reader->after_key) {
        return refuse(reader, line, "a mapping cannot be a name", reterr);
    }
    if (reader->depth == DEPTH_MAX) {
        return refuse(reader, line, "sections are nested too deeply", reterr);
    }
    reader->depth++;
    reader->after_key = false;
    return STATUS_OK;
}

static void end_mapping(Reader *reader)
{
    reader->depth--;
    if (reader->depth > 0) {
        leave_key(reader);
    }
}

static Status take_event(Reader *reader, const yaml_event_t *event, Error *reterr)
{
    size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_SCALAR_EVENT: return take_scalar(reader, event, line, reterr);
    case YAML_MAPPING_START_EVENT: return begin_mapping(reader, line, reterr);
    case YAML_MAPPING_END_EVENT: end_mapping(reader); return STATUS_OK;
    case YAML_SEQUENCE_START_EVENT: return begin_list(reader, line, reterr);
    case YAML_SEQUENCE_END_EVENT: return end_list(reader, reterr);
    case YAML_ALIAS_EVENT: return refuse(reader, line, "aliases are not supported", reterr);
    case YAML_DOCUMENT_START_EVENT:
        return line > 1 && reader->ended ? refuse(reader, line, "only one document is allowed", reterr) : STATUS_OK;
    case YAML_DOCUMENT_END_EVENT: reader->ended = true; return STATUS_OK;
    default: return STATUS_OK;
    }
}

static Status read_events(Reader *reader, Error *reterr)
{
    Status status = STATUS_OK;
    for (bool last = false; !last && status == STATUS_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->yaml, &event)) {
            return refuse_syntax(reader, reterr);
        }
        last = event.type == YAML_STREAM_END_EVENT;
        status = take_event(reader, &event, reterr);
        yaml_event_delete(&event);
    }
    return status;
}

static Status read_text(const char *path, Buf *text, Error *reterr)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return error_set(reterr, STATUS_REFUSED, "%s: cannot be opened: %s", path, strerror(errno));
    }
    char *at = buf_reserve(text, CONFIG_FILE_BYTES_MAX + 1);
    text->len = at ? fread(at, 1, CONFIG_FILE_BYTES_MAX + 1, file) : 0;
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (error) {
        return error_set(reterr, STATUS_REFUSED, "%s: cannot be read: %s", path, strerror(error));
    }
    if (!at || text->len > CONFIG_FILE_BYTES_MAX) {
        return error_set(reterr, STATUS_REFUSED, "%s: is larger than %d bytes", path, CONFIG_FILE_BYTES_MAX);
    }
    return STATUS_OK;
}

static Status read_yaml(Reader *reader, const Buf *text, Error *reterr)
{
    if (!yaml_parser_initialize(&reader->yaml)) {
        return error_set(reterr, STATUS_BUSY, "no memory for the configuration file");
    }
    yaml_parser_set_input_string(&reader->yaml, (const unsigned char *)text->ptr, text->len);
    buf_init(&reader->name, NAME_BYTES_MAX);
    buf_init(&reader->list, LIST_BYTES_MAX);
    Status status = read_events(reader, reterr);
    buf_release(&reader->list);
    buf_release(&reader->name);
    yaml_parser_delete(&reader->yaml);
    return status;
}

Status config_yaml_read(const char *path, ConfigTaker *take, void *context, Error *reterr)
{
    Buf text;
    buf_init(&text, CONFIG_FILE_BYTES_MAX + 1);
    Status status = read_text(path, &text, reterr);
    if (status == STATUS_OK) {
        Reader reader = {.path = path, .take = take, .context = context};
        status = read_yaml(&reader, &text, reterr);
    }
    buf_release(&text);
    return status;
}
