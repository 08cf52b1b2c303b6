/* Values of each type, and what is done to them while they are cut: for the tests of cutting. */
#pragma once

#include <stddef.h>

#include "core/type/entry.h"

struct rng;
struct type_limits;

/* What is done most. */
enum mood { MOOD_MIXED, MOOD_GROW, MOOD_SHRINK, MOOD_CHANGE, MOOD_EMPTY, MOOD_COUNT };

struct cut_subject {
    const char *name;
    enum value_type type;
    struct entry *(*make)(size_t count, struct rng *rng);
    /* One change, the same for the same numbers. */
    void (*change)(struct entry *entry, enum mood mood, struct rng *rng);
    size_t (*count)(const struct entry *entry);
    void (*check)(const struct entry *entry);
    void (*same)(const struct entry *a, const struct entry *b);
    int version; /* of RDB; 0: as the value needs */
};

#define CUT_SUBJECTS 7
#define CUT_SUBJECT_LIST 4
extern const struct cut_subject cut_subjects[CUT_SUBJECTS];
extern const struct type_limits cut_limits;
