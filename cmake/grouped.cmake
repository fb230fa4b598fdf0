# Several sources compiled as one (cmake/group_sources.py says which may be, and why it changes nothing): a whole
# build takes a third of the time. Off where single files are worked on, and for clang-tidy, which reads each file alone.

option(SALLYPORT_GROUPED "Compile sources in groups" OFF)
find_package(Python3 COMPONENTS Interpreter QUIET)

#   sallyport_grouped(out NAME net ROOT folder SIZE 8 SOURCES …)
#
# out: what to compile; ROOT: a folder on the include path of the target.
function(sallyport_grouped out)
  cmake_parse_arguments(ARG "" "NAME;ROOT;SIZE" "SOURCES" ${ARGN})
  set(grouped ${ARG_SOURCES})
  if(SALLYPORT_GROUPED AND Python3_FOUND)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/cmake/group_sources.py ${CMAKE_BINARY_DIR}/grouped/${ARG_NAME}
              ${ARG_ROOT} ${ARG_SIZE} ${ARG_SOURCES}
      OUTPUT_VARIABLE grouped COMMAND_ERROR_IS_FATAL ANY)
  endif()
  set(${out} ${grouped} PARENT_SCOPE)
endfunction()
