/* The ODBC driver manager, loaded when it is first called.
 *
 * odbc-sys links libodbc.so, and the program would not start on a machine without it, though it reads a database that
 * has a log. This stands in its place: every function that is linked passes its arguments on to the one of that name in
 * libodbc.so.2, or fails as that one fails.
 *
 * All parameters of these functions are integers or pointers. Each is passed in a register or a stack slot of its own
 * (System V x86-64, section 3.2.3; AAPCS64, section 6.8), whose unused upper bits nobody looks at: so each can be handed on
 * as a whole word.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef uintptr_t word;

/* SQL_ERROR of sql.h, as wide as a register. */
#define FAILED ((word)-1)

static void *find(const char *name) {
    /* glibc gives the same handle each time. */
    void *library = dlopen("libodbc.so.2", RTLD_NOW | RTLD_LOCAL);
    return library ? dlsym(library, name) : NULL;
}

#define PASS_ON(name, parameters, arguments, types)                                                                    \
    word name parameters;                                                                                              \
    word name parameters {                                                                                             \
        static word(*real) types;                                                                                      \
        word(*found) types = __atomic_load_n(&real, __ATOMIC_ACQUIRE);                                                 \
        if (!found) {                                                                                                  \
            *(void **)&found = find(#name);                                                                            \
            if (!found) return FAILED;                                                                                 \
            __atomic_store_n(&real, found, __ATOMIC_RELEASE);                                                          \
        }                                                                                                              \
        return found arguments;                                                                                        \
    }

#define PASS_1(name) PASS_ON(name, (word a), (a), (word))
#define PASS_2(name) PASS_ON(name, (word a, word b), (a, b), (word, word))
#define PASS_3(name) PASS_ON(name, (word a, word b, word c), (a, b, c), (word, word, word))
#define PASS_4(name) PASS_ON(name, (word a, word b, word c, word d), (a, b, c, d), (word, word, word, word))
#define PASS_5(name)                                                                                                   \
    PASS_ON(name, (word a, word b, word c, word d, word e), (a, b, c, d, e), (word, word, word, word, word))
#define PASS_6(name)                                                                                                   \
    PASS_ON(name, (word a, word b, word c, word d, word e, word f), (a, b, c, d, e, f),                                \
            (word, word, word, word, word, word))
#define PASS_7(name)                                                                                                   \
    PASS_ON(name, (word a, word b, word c, word d, word e, word f, word g), (a, b, c, d, e, f, g),                     \
            (word, word, word, word, word, word, word))
#define PASS_8(name)                                                                                                   \
    PASS_ON(name, (word a, word b, word c, word d, word e, word f, word g, word h), (a, b, c, d, e, f, g, h),          \
            (word, word, word, word, word, word, word, word))
#define PASS_9(name)                                                                                                   \
    PASS_ON(name, (word a, word b, word c, word d, word e, word f, word g, word h, word i),                            \
            (a, b, c, d, e, f, g, h, i), (word, word, word, word, word, word, word, word, word))
#define PASS_10(name)                                                                                                  \
    PASS_ON(name, (word a, word b, word c, word d, word e, word f, word g, word h, word i, word j),                    \
            (a, b, c, d, e, f, g, h, i, j), (word, word, word, word, word, word, word, word, word, word))
#define PASS_13(name)                                                                                                  \
    PASS_ON(name,                                                                                                      \
            (word a, word b, word c, word d, word e, word f, word g, word h, word i, word j, word k, word l, word m),  \
            (a, b, c, d, e, f, g, h, i, j, k, l, m),                                                                   \
            (word, word, word, word, word, word, word, word, word, word, word, word, word))

PASS_3(SQLAllocHandle)
PASS_2(SQLFreeHandle)
PASS_4(SQLSetEnvAttr)
PASS_1(SQLDisconnect)
PASS_8(SQLGetDiagRec)
PASS_3(SQLExecDirect)
PASS_2(SQLNumResultCols)
PASS_2(SQLNumParams)
PASS_1(SQLMoreResults)
PASS_6(SQLGetData)
PASS_1(SQLFetch)
PASS_5(SQLGetInfo)
PASS_7(SQLConnect)
PASS_9(SQLTables)
PASS_8(SQLDataSources)
PASS_8(SQLDriverConnect)
PASS_8(SQLDrivers)
PASS_1(SQLCloseCursor)
PASS_10(SQLBindParameter)
PASS_3(SQLPrepare)
PASS_1(SQLExecute)
PASS_2(SQLFreeStmt)
PASS_6(SQLBindCol)
PASS_7(SQLColAttribute)
PASS_5(SQLGetConnectAttr)
PASS_9(SQLColumns)
PASS_7(SQLPrimaryKeys)
PASS_3(SQLCompleteAsync)
PASS_5(SQLGetStmtAttr)
PASS_13(SQLForeignKeys)
PASS_9(SQLDescribeCol)
PASS_6(SQLDescribeParam)
PASS_4(SQLSetStmtAttr)
PASS_4(SQLSetConnectAttr)
PASS_3(SQLEndTran)
PASS_2(SQLRowCount)
PASS_3(SQLPutData)
PASS_5(SQLSetDescField)
PASS_2(SQLParamData)
