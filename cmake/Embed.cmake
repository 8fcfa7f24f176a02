# Writes OUT: a C source with the bytes of IN as `const char SYMBOL[]` (NUL-terminated), and SYMBOL.h beside it.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT}
  "#include \"${SYMBOL}.h\"\nconst char ${SYMBOL}[] = {${bytes}0};\nconst size_t ${SYMBOL}_length = sizeof ${SYMBOL} - 1;\n")
get_filename_component(dir ${OUT} DIRECTORY)
file(WRITE ${dir}/${SYMBOL}.h
  "#pragma once\n#include <stddef.h>\nextern const char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_length;\n")
