/* Without scripts there are no functions, and the figures are zero. */
#include "core/scripting.h"

#include "core/base/fault.h"
#include "core/engine.h"

void functions_each(struct engine *engine, void (*visit)(void *env, struct slice code), void *env)
{
    if (engine->scripting)
        engine->scripting->each_library(engine->scripting->self, visit, env);
}

int functions_load(struct engine *engine, struct slice code, struct fault *fault)
{
    if (!engine->scripting)
        return fault_set(fault, KV_EREFUSED, "", -1,
                         "it holds a library of functions (FUNCTION LOAD), and there are no "
                         "scripts here");
    return engine->scripting->load_library(engine->scripting->self, code, fault);
}

void scripting_figures(struct engine *engine, struct scripting_figures *out)
{
    *out = (struct scripting_figures){0};
    if (engine->scripting)
        engine->scripting->figures(engine->scripting->self, out);
}
