// Lua as a reactor: `begin` makes a state, `turn` runs code in it, and `fresh` does
// both with what standard input has.

#include <stdio.h>
#include <stdlib.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

static lua_State *lua;

__attribute__((export_name("begin"))) int begin(void) {
    lua = luaL_newstate();
    if (lua == NULL) {
        return 1;
    }
    luaL_openlibs(lua);
    return 0;
}

__attribute__((export_name("turn"))) int turn(const char *code, int length) {
    int failed = luaL_loadbuffer(lua, code, (size_t)length, "turn") || lua_pcall(lua, 0, 0, 0);
    if (failed) {
        fprintf(stderr, "lua: %s\n", lua_tostring(lua, -1));
        lua_pop(lua, 1);
    }
    // Nobody does this at an end that does not come.
    fflush(stdout);
    return failed;
}

__attribute__((export_name("fresh"))) int fresh(void) {
    static char code[1 << 16];
    size_t length = fread(code, 1, sizeof code, stdin);
    return begin() || turn(code, (int)length);
}
