#define _GNU_SOURCE
#include "CVips.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

// Free: nobody's. Claimed: being filled in. Live: the path is complete and may be unlinked by a signal handler.
enum { FREE, CLAIMED, LIVE };
enum { SLOTS = 256, LONGEST_PATH = 4096 };

static struct {
    atomic_int state;
    char path[LONGEST_PATH];
} table[SLOTS];

int ev_temporary_add(const char *path)
{
    size_t length = strlen(path);
    if (length >= LONGEST_PATH)
        return -1;
    for (int i = 0; i < SLOTS; i++) {
        int expected = FREE;
        if (!atomic_compare_exchange_strong(&table[i].state, &expected, CLAIMED))
            continue;
        memcpy(table[i].path, path, length + 1);
        atomic_store(&table[i].state, LIVE);
        return i;
    }
    return -1;
}

void ev_temporary_remove(int slot)
{
    if (slot >= 0 && slot < SLOTS)
        atomic_store(&table[slot].state, FREE);
}

void ev_remove_temporaries(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&table[i].state) == LIVE)
            unlink(table[i].path);
}
