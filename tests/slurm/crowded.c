/* Loaded before MPI: behind the address of a rank, memory is full of text, as it may happen to be.
 * MPICH sends more bytes than the address has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { BEHIND = 8192 };

int ucp_worker_get_address(void *worker, void **address, size_t *length)
{
    void *library = dlopen("libucp.so.0", RTLD_NOW | RTLD_NOLOAD);
    int (*get)(void *, void **, size_t *) = (int (*)(void *, void **, size_t *)) dlsym(library, "ucp_worker_get_address");
    int code = get(worker, address, length);
    if (code == 0) {
        char *crowded = malloc(*length + BEHIND);
        memcpy(crowded, *address, *length);
        memset(crowded + *length, 'A', BEHIND);
        *address = crowded;
    }
    return code;
}
