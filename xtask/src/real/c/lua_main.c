// `lua SCRIPT ARGS...` or `lua -e CODE`: the interpreter without its prompt.
// The crate that carries Lua's sources leaves its main file out.

#include <stdio.h>
#include <string.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

int main(int count, char **arguments) {
    lua_State *lua = luaL_newstate();
    if (lua == NULL || count < 2) {
        fprintf(stderr, "usage: lua SCRIPT ARGS... | -e CODE\n");
        return 2;
    }
    luaL_openlibs(lua);
    lua_createtable(lua, count, 0);
    for (int i = 1; i < count; i++) {
        lua_pushstring(lua, arguments[i]);
        lua_rawseti(lua, -2, i - 1);
    }
    lua_setglobal(lua, "arg");
    int failed = strcmp(arguments[1], "-e") == 0 && count > 2
        ? luaL_dostring(lua, arguments[2])
        : luaL_dofile(lua, arguments[1]);
    if (failed) {
        fprintf(stderr, "lua: %s\n", lua_tostring(lua, -1));
    }
    lua_close(lua);
    return failed ? 1 : 0;
}
