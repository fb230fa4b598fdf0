# Several sources compiled as one (cmake/group_sources.py says which may be, and why it changes nothing): a whole build takes
# less than half the time. Off in the preset dev, where single files are worked on, and in tidy, which has to know each file.

option(SALLYPORT_GROUPED "Compile sources in groups" OFF)
if(SALLYPORT_GROUPED)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  # An edit may give a file a name that another one of its group says otherwise.
  set(SALLYPORT_GROUPING ${CMAKE_SOURCE_DIR}/cmake/group_sources.py)
  file(GLOB_RECURSE headers ${CMAKE_SOURCE_DIR}/src/*.h ${CMAKE_SOURCE_DIR}/test/*.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SALLYPORT_GROUPING} ${headers})
endif()

#   sallyport_grouped(out NAME net ROOT folder SIZE 8 SOURCES …)
#
# out: what to compile; ROOT: a folder on the include path of the target.
function(sallyport_grouped out)
  cmake_parse_arguments(ARG "" "NAME;ROOT;SIZE" "SOURCES" ${ARGN})
  set(grouped ${ARG_SOURCES})
  if(SALLYPORT_GROUPED)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} ${SALLYPORT_GROUPING} ${CMAKE_BINARY_DIR}/grouped/${ARG_NAME} ${ARG_ROOT} ${ARG_SIZE} ${ARG_SOURCES}
      OUTPUT_VARIABLE grouped COMMAND_ERROR_IS_FATAL ANY)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARG_SOURCES})
  endif()
  set(${out} ${grouped} PARENT_SCOPE)
endfunction()
