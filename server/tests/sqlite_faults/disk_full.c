/* Preloaded into the server: while the folder DISK_FULL_DATA has a file `full`, no file in the
 * folder can grow. As on a real disk, what is there can be overwritten. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int has_no_room(int fd, off64_t end) {
    char link[64], path[PATH_MAX], full[PATH_MAX];
    const char *data = getenv("DISK_FULL_DATA");
    if (data == NULL)
        abort();
    snprintf(full, sizeof full, "%s/full", data);
    if (access(full, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat64 file;
    if (length < 0 || fstat64(fd, &file) != 0)
        abort();
    path[length] = 0;
    return strncmp(path, data, strlen(data)) == 0 && end > file.st_size;
}

static void *next(const char *function) {
    void *found = dlsym(RTLD_NEXT, function);
    if (found == NULL)
        abort();
    return found;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (has_no_room(fd, at + (off64_t)count)) {
        errno = ENOSPC;
        return -1;
    }
    ssize_t (*write_at)(int, const void *, size_t, off64_t) =
        (ssize_t (*)(int, const void *, size_t, off64_t))next("pwrite64");
    return write_at(fd, bytes, count, at);
}

int ftruncate64(int fd, off64_t size) {
    if (has_no_room(fd, size)) {
        errno = ENOSPC;
        return -1;
    }
    int (*resize)(int, off64_t) = (int (*)(int, off64_t))next("ftruncate64");
    return resize(fd, size);
}
