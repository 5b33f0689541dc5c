/* A library to preload into a program whose calls to one name are to be led astray, as a hostile name server does it
 * (DNS rebinding).
 *
 *     LD_PRELOAD=librebind.so REBIND='rebind.test=8.8.8.8;127.0.0.1;9.9.9.9,169.254.169.254' weir serve …
 *
 * Each look-up of the name has the next answer, the last one from then on; the addresses of one answer have commas
 * between them. Other names are looked up as ever. No packet leaves the machine: a connection to 8.8.8.8, the honest
 * address, comes out at 127.0.0.1 and the same port, and 9.9.9.9 refuses. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

typedef int Lookup(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list);
typedef int Connect(int fd, const struct sockaddr *address, socklen_t len);

enum { ANSWER_BYTES_MAX = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t looked_up; /* guarded by `lock` */

/* Whether it is the name. The next answer goes to `ret_answer`. */
static bool take_answer(const char *name, char ret_answer[ANSWER_BYTES_MAX])
{
    const char *order = getenv("REBIND"), *at = order ? strchr(order, '=') : NULL;
    if (!at || !name || strlen(name) != (size_t)(at - order) || strncmp(name, order, (size_t)(at - order)) != 0) {
        return false;
    }
    pthread_mutex_lock(&lock);
    size_t skip = looked_up++;
    pthread_mutex_unlock(&lock);
    for (at++; skip > 0 && strchr(at, ';'); skip--) {
        at = strchr(at, ';') + 1;
    }
    snprintf(ret_answer, ANSWER_BYTES_MAX, "%.*s", (int)strcspn(at, ";"), at);
    return true;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **ret_list)
{
    static Lookup *real;
    char answer[ANSWER_BYTES_MAX], *rest = answer, *address;
    int code = 0;
    real = real ? real : (Lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (!take_answer(name, answer)) {
        return real(name, service, hints, ret_list);
    }
    struct addrinfo **end = ret_list;
    for (*end = NULL; code == 0 && (address = strsep(&rest, ",")); end = &(*end)->ai_next) {
        code = real(address, service, hints, end);
    }
    return code;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    static Connect *real;
    struct sockaddr_in to = {0};
    real = real ? real : (Connect *)dlsym(RTLD_NEXT, "connect");
    if (address->sa_family != AF_INET || len < sizeof to) {
        return real(fd, address, len);
    }
    memcpy(&to, address, sizeof to);
    if (to.sin_addr.s_addr == inet_addr("9.9.9.9")) {
        errno = ECONNREFUSED;
        return -1;
    }
    if (to.sin_addr.s_addr == inet_addr("8.8.8.8")) {
        to.sin_addr.s_addr = inet_addr("127.0.0.1");
    }
    return real(fd, (const struct sockaddr *)&to, sizeof to);
}
