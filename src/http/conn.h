/* The library's callbacks: how a connection's bytes become requests. */
#ifndef WEIR_HTTP_CONN_H
#define WEIR_HTTP_CONN_H

#include <microhttpd.h>

#include "http/parts.h"

/* For MHD_OPTION_NOTIFY_CONNECTION (there `self` is the Poller), MHD_OPTION_URI_LOG_CALLBACK, MHD_start_daemon and
 * MHD_OPTION_NOTIFY_COMPLETED (`self` is the HttpServer). */
void conn_on_connection(void *self, struct MHD_Connection *mhd, void **context,
                        enum MHD_ConnectionNotificationCode code);
void *conn_on_line(void *self, const char *target, struct MHD_Connection *mhd);
enum MHD_Result conn_on_request(void *self, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *piece, size_t *piece_bytes, void **context);
void conn_on_completed(void *self, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);

#endif
