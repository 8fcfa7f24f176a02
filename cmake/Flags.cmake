# Compiler flags, each for a reason. Generated code (proto/) is built without the warnings.
add_library(pgtide_flags INTERFACE)
target_compile_definitions(pgtide_flags INTERFACE _GNU_SOURCE PGTIDE_VERSION="${PROJECT_VERSION}")
target_compile_options(pgtide_flags INTERFACE
  -Wall -Wextra -Werror
  -Wshadow                # a shadowed name reads as another variable
  -Wvla                   # array sizes are limits, not input
  -Wstrict-prototypes -Wmissing-prototypes # what has no header is static
  -Wconversion -Wno-sign-conversion        # narrowing is said aloud
  $<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized> # outputs stay untouched on failure, which gcc cannot follow through ErrCode
  -Wformat=2 -Wundef -Wwrite-strings -Wimplicit-fallthrough
  -fno-common
  -fstack-protector-strong)
if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  if(NOT PGTIDE_SANITIZE)
    target_compile_options(pgtide_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
endif()
# Directory-wide, so that generated code and tests are instrumented too.
if(PGTIDE_SANITIZE)
  add_compile_options(-fsanitize=${PGTIDE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PGTIDE_SANITIZE})
endif()
if(PGTIDE_COVERAGE)
  add_compile_options(--coverage -O0)
  add_link_options(--coverage)
endif()
