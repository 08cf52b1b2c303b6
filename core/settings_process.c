/* What the options of the process have in them that a reader and a user of the option share: the
 * template of the process' title. A variable stands in braces; a doubled brace is one brace. */
#include "core/settings_process.h"

#include <string.h>

static const char *const part_names[TITLE_PARTS] = {
    "title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file",
};

static int part_of(const char *name, size_t len)
{
    for (int i = 0; i < TITLE_PARTS; i++)
        if (strlen(part_names[i]) == len && memcmp(part_names[i], name, len) == 0)
            return i;
    return -1;
}

bool settings_title(const char *template, const char *const values[TITLE_PARTS], char *out,
                    int size)
{
    int at = 0;
    while (*template) {
        const char *text = template;
        size_t len = 1;
        char first = *template;
        if ((first == '{' || first == '}') && template[1] == first) {
            template += 2;
        } else if (first == '{') {
            const char *end = strchr(template, '}');
            int part = end ? part_of(template + 1, (size_t)(end - template - 1)) : -1;
            if (part < 0)
                return false;
            text = values[part];
            len = strlen(text);
            template = end + 1;
        } else {
            template++;
        }
        for (size_t i = 0; i < len && at < size - 1; i++)
            out[at++] = text[i];
    }
    while (at > 0 && out[at - 1] == ' ')
        at--;
    out[at] = '\0';
    return true;
}
