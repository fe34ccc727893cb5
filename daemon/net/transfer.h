/* recv(2) and send(2) as the kernel has them, results and errno as there. libc's are points where a
 * thread may be cancelled, for which each call pays two atomic operations once a process has
 * several threads; no thread is ever cancelled here. Sanitizers look at what is read and written,
 * and get libc's. Private to streams. Any thread. */
#ifndef BELLWIRE_NET_TRANSFER_H
#define BELLWIRE_NET_TRANSFER_H

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t transfer__recv(int fd, void *bytes, size_t size) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return recv(fd, bytes, size, 0);
#else
    return syscall(SYS_recvfrom, fd, bytes, size, 0, NULL, NULL);
#endif
}

/* No SIGPIPE. */
static inline ssize_t transfer__send(int fd, const void *bytes, size_t size) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return send(fd, bytes, size, MSG_NOSIGNAL);
#else
    return syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, NULL, 0);
#endif
}

#endif
