/* Preloaded into the server: keeps a copy of what a disk is sure to have after a loss of power.
 *
 * A file's content is sure after a sync of that file, a folder's names after a sync of the folder.
 * Both are recorded in the folder POWER_LOSS_SHADOW for the files of the folder POWER_LOSS_DATA:
 * the content under the number of the inode, the names as lines "INODE NAME" in the file `names`.
 *
 * SQLite on Linux calls only fsync or fdatasync to make data durable. Another call would not be
 * recorded here: then the test finds a loss. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void check(int is_good, const char *what) {
    if (!is_good) {
        perror(what);
        abort();
    }
}

static const char *variable(const char *name) {
    const char *value = getenv(name);
    check(value != NULL, name);
    return value;
}

static void in_shadow(char *path, const char *name) {
    snprintf(path, PATH_MAX, "%s/%s", variable("POWER_LOSS_SHADOW"), name);
}

/* The name of the open file in the data folder, or NULL if it is not there. */
static const char *name_in_data(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    check(length > 0, "readlink");
    path[length] = 0;
    const char *data = variable("POWER_LOSS_DATA");
    size_t prefix = strlen(data);
    if (strncmp(path, data, prefix) != 0 || path[prefix] != '/')
        return NULL;
    return path + prefix + 1;
}

static void record_content(int fd, ino_t inode) {
    char name[32], new[PATH_MAX], final[PATH_MAX], buffer[1 << 16];
    snprintf(name, sizeof name, "%lu", (unsigned long)inode);
    in_shadow(final, name);
    in_shadow(new, "unfinished");
    int copy = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(copy >= 0, new);
    off_t at = 0;
    ssize_t length;
    while ((length = pread(fd, buffer, sizeof buffer, at)) > 0) {
        check(write(copy, buffer, length) == length, new);
        at += length;
    }
    check(length == 0, "pread");
    close(copy);
    check(rename(new, final) == 0, final);
}

static void record_names(void) {
    char new[PATH_MAX], final[PATH_MAX];
    in_shadow(new, "unfinished");
    in_shadow(final, "names");
    FILE *names = fopen(new, "we");
    check(names != NULL, new);
    DIR *folder = opendir(variable("POWER_LOSS_DATA"));
    check(folder != NULL, "opendir");
    struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if (entry->d_type == DT_REG)
            fprintf(names, "%lu %s\n", (unsigned long)entry->d_ino, entry->d_name);
    closedir(folder);
    check(fclose(names) == 0, new);
    check(rename(new, final) == 0, final);
}

/* A checkpoint has written pages into the database and is about to sync them. */
static void die_in_checkpoint(const char *name) {
    char armed[PATH_MAX];
    in_shadow(armed, "die-in-checkpoint");
    if (strcmp(name, "tasklane.db") == 0 && access(armed, F_OK) == 0)
        kill(getpid(), SIGKILL);
}

static int recorded(const char *function, int fd) {
    int (*sync_file)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    check(sync_file != NULL, function);
    struct stat file, data;
    char path[PATH_MAX];
    const char *name = name_in_data(fd, path);
    check(fstat(fd, &file) == 0, "fstat");
    int is_folder = S_ISDIR(file.st_mode) && stat(variable("POWER_LOSS_DATA"), &data) == 0 &&
                    data.st_ino == file.st_ino && data.st_dev == file.st_dev;

    pthread_mutex_lock(&one_at_a_time);
    if (name != NULL)
        die_in_checkpoint(name);
    int result = sync_file(fd);
    int error = errno;
    if (result == 0 && is_folder)
        record_names();
    else if (result == 0 && name != NULL)
        record_content(fd, file.st_ino);
    pthread_mutex_unlock(&one_at_a_time);
    errno = error;
    return result;
}

int fsync(int fd) { return recorded("fsync", fd); }

int fdatasync(int fd) { return recorded("fdatasync", fd); }
