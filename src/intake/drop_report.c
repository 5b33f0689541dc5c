#include "intake/drop_report.h"

#include <errno.h>
#include <unistd.h>

enum { RAW_BYTES_MAX = 1 << 16, TEXT_BYTES_MAX = 64 << 20 };

void drop_report_init(DropReport *report)
{
    *report = (DropReport){.fd = -1};
    buf_init(&report->text, TEXT_BYTES_MAX);
}

void drop_report_reset(DropReport *report)
{
    if (report->fd >= 0) {
        close(report->fd);
    }
    report->fd = -1;
    report->bytes = 0;
    buf_reset(&report->text);
}

void drop_report_release(DropReport *report)
{
    drop_report_reset(report);
    buf_release(&report->text);
}

Status drop_report_go_on(DropReport *report, const DropDir *dir, const char *name, unsigned number, uint64_t bytes,
                         bool *ret_there, Error *reterr)
{
    drop_report_reset(report);
    *ret_there = true;
    if (bytes == 0) {
        drop_dir_remove_report(dir, name, number); /* of an attempt that begins anew now */
        return STATUS_OK;
    }
    Status status = drop_dir_open_report(dir, name, number, bytes, &report->fd, reterr);
    *ret_there = status == STATUS_OK && report->fd >= 0;
    report->bytes = *ret_there ? bytes : 0;
    return status;
}

void drop_report_add(DropReport *report, uint64_t line, Str error, Str raw)
{
    Buf *text = &report->text;
    raw.len = raw.len > RAW_BYTES_MAX ? RAW_BYTES_MAX : raw.len;
    BUF_PUT(text, "{");
    buf_put_key(text, "line");
    buf_put_u64(text, line);
    buf_put_key(text, "error");
    buf_put_json(text, error);
    buf_put_key(text, "raw");
    buf_put_json(text, raw);
    BUF_PUT(text, "}\n");
}

static Status fail(Error *reterr)
{
    return error_set(reterr, STATUS_BUSY, "the report about a file cannot be written: %s", strerror(errno));
}

static Status write_all(int fd, Str text, Error *reterr)
{
    while (text.len > 0) {
        ssize_t written = write(fd, text.ptr, text.len);
        if (written < 0 && errno != EINTR) {
            return fail(reterr);
        }
        text = written > 0 ? (Str){text.ptr + written, text.len - (size_t)written} : text;
    }
    return STATUS_OK;
}

Status drop_report_write(DropReport *report, const DropDir *dir, const char *name, unsigned number, Error *reterr)
{
    Status status = STATUS_OK;
    if (report->text.failed) {
        buf_reset(&report->text);
        return error_set(reterr, STATUS_BUSY, "no memory for the report about a file");
    }
    if (report->text.len == 0) {
        return STATUS_OK;
    }
    if (report->fd < 0) {
        status = drop_dir_open_report(dir, name, number, 0, &report->fd, reterr);
    }
    if (status == STATUS_OK) {
        status = write_all(report->fd, buf_str(&report->text), reterr);
    }
    report->bytes += status == STATUS_OK ? report->text.len : 0;
    buf_reset(&report->text);
    return status;
}

Status drop_report_sync(DropReport *report, Error *reterr)
{
    return report->fd < 0 || fdatasync(report->fd) == 0 ? STATUS_OK : fail(reterr);
}
