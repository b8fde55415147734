/* Asks a server for as much as it gives, to show that it is not what a benchmark measures.
 *
 *     load PORT PATH CONNECTIONS SECONDS        prints answers per second
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char BODY[] =
    "{\"target\":{\"type\":\"profile\",\"accountLinkId\":\"df6jbw4h36qm5d9iu2sgn7kx\",\"platform\":\"twitter\","
    "\"platformId\":\"9000000000000011111\"},\"content\":\"Hi Ada, shall I send the notes?\"}";

static char request[2048];
static int size;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void ask(int fd) {
    if (write(fd, request, size) != size) fail("write");
}

/* Whether a whole answer lies in what was read. */
static int is_whole(const char *in, size_t have) {
    const char *stop = strstr(in, "\r\n\r\n"), *said = strstr(in, "Content-Length: ");
    return stop && said && have >= (size_t)(stop + 4 - in) + strtoul(said + 16, NULL, 10);
}

int main(int words, char **said) {
    if (words != 5) return 2;
    int many = atoi(said[3]), poller = epoll_create1(0), on = 1;
    double seconds = atof(said[4]);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(said[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = snprintf(request, sizeof request,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer t\r\n"
                    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                    said[2], sizeof BODY - 1, BODY);
    for (int each = 0; each < many; each++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        ask(fd);
    }
    uint64_t answers = 0;
    double begun = now(), at;
    while ((at = now()) < begun + seconds) {
        struct epoll_event events[256];
        int found = epoll_wait(poller, events, 256, 100);
        for (int each = 0; each < found; each++) {
            char in[8192];
            size_t have = 0;
            do {
                ssize_t got = read(events[each].data.fd, in + have, sizeof in - 1 - have);
                if (got <= 0) fail("read");
                in[have += got] = 0;
            } while (!is_whole(in, have));
            answers++;
            ask(events[each].data.fd);
        }
    }
    printf("%.0f\n", answers / (at - begun));
    return 0;
}
