/* The API that the benchmarks send to: one thread, keep-alive, a fixed answer with ids of its own
 * for every send, after a latency that can be set. Linux only (epoll, timerfd).
 *
 *     sink [PORT]        prints its address; port 0 is any free one
 *
 *     GET /sink/reset?latency_us=N    forget what was counted; answers to sends wait N from now on
 *     GET /sink/first                 answers as soon as a send has arrived
 *     GET /sink/times                 {"count": sends answered, "first": ns, "last": ns}
 *
 * `first` is when the first send had arrived whole, `last` when the last one was answered, by
 * CLOCK_MONOTONIC, which is Python's time.monotonic_ns().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 4096
#define REQUEST 65536
#define ANSWER 8192

struct connection {
    char in[REQUEST];
    size_t have;
    unsigned birth; /* tells an answer that waits from one of an earlier user of this number */
};

struct waiting {
    int64_t due;
    int fd;
    unsigned birth;
    int v2;
    char team[4]; /* the end of its token */
};

static struct connection *connections[CONNECTIONS];
static struct waiting queue[CONNECTIONS]; /* a ring: every send waits equally long */
static unsigned head, tail;
static int poller, timer, curious = -1;
static int64_t latency, first, last;
static uint64_t count, number;
static unsigned births;
static char date[64];
static time_t dated;

static const char V2[] =
    "{\"message\":{\"id\":\"m%023llu\",\"threadId\":\"t%023llu\",\"accountLinkId\":\"df6jbw4h36qm5d9iu2sg%.4s\","
    "\"platform\":\"twitter\",\"platformId\":\"1505195290712901264\",\"direction\":\"outbound\","
    "\"sentBy\":{\"type\":\"api\",\"tokenId\":\"t9wq5p2bvnhfdteolyr3km7x\"},\"content\":null,"
    "\"entities\":{\"urls\":[],\"postShares\":[],\"mentions\":[],\"hashtags\":[],\"cashtags\":[],\"format\":[]},"
    "\"attachments\":[],\"forwarded\":null,\"reactions\":[],\"editedAt\":null,\"deletedAt\":null,"
    "\"createdAt\":\"2026-11-24T16:14:31.787Z\",\"platformData\":{\"_tag\":\"twitter\",\"encrypted\":false},"
    "\"replyTo\":null},\"thread\":{\"id\":\"t%023llu\",\"platform\":\"twitter\","
    "\"platformId\":\"1566123362161725440:9000000000000011111\",\"accountLinkId\":\"df6jbw4h36qm5d9iu2sg%.4s\","
    "\"profileId\":\"gqni5lyme1a0vbz62apg1q89\",\"contactId\":\"nrowu3fsouafdavlmo1dow3b\",\"assigneeId\":null,"
    "\"isRequest\":false,\"acceptanceState\":\"unknown\",\"archived\":false,\"unread\":false,\"restrictions\":[],"
    "\"syncing\":false,\"typingIndicators\":\"teamDefault\",\"lastMessage\":null,\"activity\":null,"
    "\"createdAt\":\"2026-11-24T16:14:31.787Z\"}}";

static const char V1[] =
    "{\"message\":{\"platform\":\"twitter\",\"teamId\":\"hzcai5t59nn9vsck3rbuepyg\",\"id\":\"m%023llu\","
    "\"threadId\":\"t%023llu\",\"userId\":\"r3km7xj9wq5p2bvnhfdteoly\",\"createdAt\":\"2026-11-24T16:14:31.813Z\","
    "\"updatedAt\":null,\"platformId\":\"1971804314310930370\",\"content\":null,\"campaignId\":null,"
    "\"authorId\":\"df6jbw4h36qm5d9iu2sgn7kx\",\"origin\":\"api\",\"replyData\":null,\"forwardData\":null,"
    "\"entities\":null,\"attachment\":null,\"reactions\":[],\"isEncrypted\":false,\"isEdited\":false,"
    "\"deletedAt\":null,\"platformDeletedAt\":null},\"thread\":{\"id\":\"t%023llu\","
    "\"platformId\":\"1566123362161725440:9000000000000011112\"}}";

static const char TEAM[] = /* one for each token: its id ends as the token does */
    "{\"id\":\"hzcai5t59nn9vsck3rbu%.4s\",\"name\":\"Acme Agency\",\"slug\":\"acme-agency\","
    "\"createdAt\":\"2026-01-01T00:00:00.000Z\"}";
static const char LINK[] = /* likewise, of several teams: a sender is one team's */
    "[{\"id\":\"df6jbw4h36qm5d9iu2sg%.4s\",\"platform\":\"twitter\",\"platformId\":\"1566123362161725440\","
    "\"username\":\"acmecorp\",\"name\":\"Acme Corp\",\"displayName\":\"Acme Corp\",\"status\":\"active\","
    "\"pauseReasons\":[],\"capabilities\":[\"message:send\"]}]";
static const char PLATFORM[] =
    "[{\"platform\":\"twitter\",\"name\":\"X\",\"capabilities\":[\"message:send\"],"
    "\"limits\":{\"characters\":10000}}]";

static int64_t now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void end(int fd) {
    if (fd == curious) curious = -1;
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void answer(int fd, const char *status, const char *body, int length) {
    char whole[ANSWER];
    time_t today = time(NULL);
    if (today != dated) {
        dated = today;
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&today));
    }
    int size = snprintf(whole, sizeof whole,
                        "HTTP/1.1 %s\r\nContent-Type: application/json\r\nDate: %s\r\n"
                        "X-RateLimit-Limit: 100000000\r\nX-RateLimit-Remaining: 99999999\r\n"
                        "X-RateLimit-Reset: %lld\r\nContent-Length: %d\r\n\r\n%.*s",
                        status, date, (long long)today + 60, length, length, body);
    /* An answer is far smaller than a socket's buffer, and nobody sends before he has read it. */
    if (write(fd, whole, size) != size) end(fd);
}

static void accept_send(int fd, int v2, const char *team) {
    char body[ANSWER];
    unsigned long long id = ++number;
    int length = v2 ? snprintf(body, sizeof body, V2, id, id, team, id, team)
                    : snprintf(body, sizeof body, V1, id, id, id);
    count++;
    last = now();
    answer(fd, v2 ? "201 Created" : "200 OK", body, length);
}

static void tell_times(int fd) {
    char body[256];
    int length = snprintf(body, sizeof body, "{\"count\":%llu,\"first\":%lld,\"last\":%lld}",
                          (unsigned long long)count, (long long)first, (long long)last);
    answer(fd, "200 OK", body, length);
}

static const char *end_of_token(const char *headers, const char *begin, const char *otherwise) {
    const char *token = strcasestr(headers, "\nauthorization: bearer ");
    const char *until = token ? strchr(token, '\r') : NULL;
    if (!until || until - token < 27 || strncmp(token + 23, begin, strlen(begin))) return otherwise;
    return until - 4;
}

static void set_timer(void) {
    struct itimerspec when = {0};
    if (head == tail) return;
    when.it_value.tv_sec = queue[head % CONNECTIONS].due / 1000000000LL;
    when.it_value.tv_nsec = queue[head % CONNECTIONS].due % 1000000000LL;
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL)) fail("timerfd_settime");
}

static void send_due(void) {
    int64_t at = now();
    while (head != tail && queue[head % CONNECTIONS].due <= at) {
        struct waiting each = queue[head++ % CONNECTIONS];
        if (connections[each.fd] && connections[each.fd]->birth == each.birth)
            accept_send(each.fd, each.v2, each.team);
    }
    set_timer();
}

static void send_arrived(int fd, int v2, const char *team) {
    int64_t at = now();
    if (!first) {
        first = at;
        if (curious >= 0) {
            int asker = curious;
            curious = -1;
            tell_times(asker);
        }
    }
    if (!latency) {
        accept_send(fd, v2, team);
        return;
    }
    if (tail - head == CONNECTIONS) fail("too many sends at once");
    struct waiting each = {at + latency, fd, connections[fd]->birth, v2, ""};
    memcpy(each.team, team, sizeof each.team);
    queue[tail++ % CONNECTIONS] = each;
    if (tail - head == 1) set_timer();
}

static void serve(int fd, const char *line) {
    int v2 = strstr(line, "/v2/") != NULL;
    char body[1024];
    int length;
    const char *headers = line + strlen(line) + 1;
    const char *team = end_of_token(headers, "tok-bench-", "n7kx");
    if (!strncmp(line, "POST ", 5)) {
        send_arrived(fd, v2, team);
    } else if (!strncmp(line, "GET /sink/reset", 15)) {
        const char *said = strstr(line, "latency_us=");
        latency = said ? atoll(said + 11) * 1000 : 0;
        count = first = last = 0;
        tell_times(fd);
    } else if (!strncmp(line, "GET /sink/first", 15)) {
        if (first) tell_times(fd);
        else curious = fd;
    } else if (!strncmp(line, "GET /sink/times", 15)) {
        tell_times(fd);
    } else if (strstr(line, "/team ")) {
        answer(fd, "200 OK", body,
               snprintf(body, sizeof body, TEAM, end_of_token(headers, "", "epyg")));
    } else if (strstr(line, "/account-links")) {
        char links[512];
        snprintf(links, sizeof links, LINK, team);
        length = snprintf(body, sizeof body, v2 ? "{\"data\":%s,\"nextCursor\":null}" : "%s", links);
        answer(fd, "200 OK", body, length);
    } else if (strstr(line, "/platforms ")) {
        answer(fd, "200 OK", PLATFORM, sizeof PLATFORM - 1);
    } else {
        answer(fd, "404 Not Found", "{}", 2);
    }
}

/* Serve every request that has arrived whole. */
static void heard(int fd) {
    struct connection *it = connections[fd];
    ssize_t got = read(fd, it->in + it->have, REQUEST - 1 - it->have);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) end(fd);
        return;
    }
    it->have += got;
    it->in[it->have] = 0;
    char *stop;
    while ((stop = strstr(it->in, "\r\n\r\n"))) {
        char *said = strcasestr(it->in, "\r\ncontent-length:");
        size_t length = said && said < stop ? strtoul(said + 17, NULL, 10) : 0;
        size_t whole = stop + 4 - it->in + length;
        if (it->have < whole) return;
        *strchr(it->in, '\r') = 0;
        serve(fd, it->in);
        if (connections[fd] != it) return;
        memmove(it->in, it->in + whole, it->have - whole + 1);
        it->have -= whole;
    }
    if (it->have == REQUEST - 1) end(fd);
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void welcome(int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) return;
    if (fd >= CONNECTIONS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections[fd] = calloc(1, sizeof(struct connection));
    if (!connections[fd]) fail("calloc");
    connections[fd]->birth = ++births;
    watch(fd);
}

static int listen_at(int port) {
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1024)) fail("listen");
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("http://127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return listener;
}

int main(int words, char **said) {
    struct epoll_event events[256];
    int listener = listen_at(words > 1 ? atoi(said[1]) : 0);
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    watch(listener);
    watch(timer);
    for (;;) {
        int found = epoll_wait(poller, events, 256, -1);
        for (int each = 0; each < found; each++) {
            int fd = events[each].data.fd;
            uint64_t rang;
            if (fd == listener) welcome(listener);
            else if (fd == timer) {
                if (read(timer, &rang, sizeof rang) > 0) send_due();
            } else if (connections[fd]) heard(fd);
        }
    }
}
