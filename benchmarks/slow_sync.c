/* Makes every disk sync of a process slower, as on a machine with a slower disk.
 *
 *     LD_PRELOAD=slow_sync.so SLOW_SYNC_MS=5 program
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void rest(void) {
    const char *said = getenv("SLOW_SYNC_MS");
    long us = said ? (long)(atof(said) * 1000) : 0;
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&left, NULL);
}

int fsync(int fd) {
    rest();
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    rest();
    return syscall(SYS_fdatasync, fd);
}
