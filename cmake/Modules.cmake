# pgtide_module(name DIR dir LINK ...): a box of the layer diagram. Its headers are visible only to targets that
# link it, so an include across layers does not compile. FOLDERS below `dir` are parts of it. -iquote and not -I: our
# limits.h must not hide the system's.
function(pgtide_module name)
  cmake_parse_arguments(M "" "DIR" "FOLDERS;LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${M_DIR}/*.c)
  foreach(folder ${M_FOLDERS})
    file(GLOB part CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${M_DIR}/${folder}/*.c)
    list(APPEND sources ${part})
  endforeach()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_compile_options(${name} INTERFACE "SHELL:-iquote ${CMAKE_CURRENT_SOURCE_DIR}/${M_DIR}")
    target_link_libraries(${name} INTERFACE ${M_LINK} ${M_PRIVATE_LINK})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_compile_options(${name} PUBLIC "SHELL:-iquote ${CMAKE_CURRENT_SOURCE_DIR}/${M_DIR}")
  foreach(folder ${M_FOLDERS})
    target_compile_options(${name} PUBLIC "SHELL:-iquote ${CMAKE_CURRENT_SOURCE_DIR}/${M_DIR}/${folder}")
  endforeach()
  target_link_libraries(${name} PUBLIC ${M_LINK} PRIVATE pgtide_flags ${M_PRIVATE_LINK})
endfunction()

# pgtide_embed(target file symbol): a text file of the tree as `const char symbol[]`, declared in <symbol>.h.
function(pgtide_embed target file symbol)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embed/${symbol}.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${out} -DSYMBOL=${symbol} -P ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/Embed.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embed)
endfunction()
