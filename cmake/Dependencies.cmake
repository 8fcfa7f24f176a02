# Libraries from Debian; deploy/packages.txt installs them all.
find_package(PkgConfig REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-i18n)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
# HTTP with TLS, proxies and keep-alive on our own event loop: nothing to write oneself.
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.87)
find_program(PROTOC_C protoc-c REQUIRED)
find_program(PG_CONFIG pg_config REQUIRED PATHS /usr/lib/postgresql/15/bin)
find_library(PG_QUERY_LIBRARY pg_query REQUIRED)

function(pg_config_value option variable)
  execute_process(COMMAND ${PG_CONFIG} ${option} OUTPUT_VARIABLE value
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(${variable} ${value} PARENT_SCOPE)
endfunction()
pg_config_value(--includedir-server PG_INCLUDE_SERVER)
pg_config_value(--includedir PG_INCLUDE)
pg_config_value(--pkglibdir PG_PKGLIBDIR)

# PostgreSQL's own lexer for clients. Its palloc and libpg_query's must not meet: neither library's symbols may
# leave the program (--exclude-libs), or libpgcommon's palloc silently replaces libpg_query's.
add_library(pgtide_psqlscan INTERFACE)
target_include_directories(pgtide_psqlscan SYSTEM INTERFACE
  ${PG_INCLUDE_SERVER} ${PG_INCLUDE} ${PG_INCLUDE}/internal)
target_link_libraries(pgtide_psqlscan INTERFACE
  ${PG_PKGLIBDIR}/libpgfeutils.a ${PG_PKGLIBDIR}/libpgcommon.a ${PG_PKGLIBDIR}/libpgport.a PkgConfig::PQ m)
target_link_options(pgtide_psqlscan INTERFACE -Wl,--exclude-libs,ALL)

add_library(pgtide_pgquery INTERFACE)
target_link_libraries(pgtide_pgquery INTERFACE ${PG_QUERY_LIBRARY})
