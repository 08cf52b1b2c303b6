/* Each letter is a bit; A stands for all classes but m (misses) and n (new keys). */
#include "core/notify.h"

#include <string.h>

#include "core/base/buf.h"

static const char letters[] = "g$lshzxetdnKEm"; /* in the order in which CONFIG GET shows them */
static const char all[] = "g$lshzxetd";

uint32_t notify_bit(char letter)
{
    const char *found = letter ? strchr(letters, letter) : NULL;
    return found ? 1u << (found - letters) : 0;
}

static uint32_t all_bits(void)
{
    return (1u << (sizeof all - 1)) - 1;
}

bool notify_read(struct slice text, uint32_t *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint32_t bit = text.data[i] == 'A' ? all_bits() : notify_bit(text.data[i]);
        if (!bit)
            return false;
        bits |= bit;
    }
    *out = bits;
    return true;
}

void notify_show(uint32_t bits, struct buf *out)
{
    if ((bits & all_bits()) == all_bits()) {
        buf_append_char(out, 'A');
        bits &= ~(all_bits() | notify_bit('n'));
    }
    for (size_t i = 0; letters[i]; i++)
        if (bits & 1u << i)
            buf_append_char(out, letters[i]);
}
