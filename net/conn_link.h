/* Lists of connections: rings with a head that is no connection. */
#pragma once

#include <stddef.h>

struct conn_link {
    struct conn_link *previous, *next;
};

static inline void link_init(struct conn_link *head)
{
    head->previous = head->next = head;
}

static inline void link_put(struct conn_link *head, struct conn_link *link)
{
    link->previous = head->previous;
    link->next = head;
    head->previous->next = link;
    head->previous = link;
}

static inline void link_take(struct conn_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    link->previous = link->next = NULL;
}

#define CONN_OF(link, member) \
    ((struct conn *)(void *)((char *)(link) - offsetof(struct conn, member)))
