# todo_embed(<target> <name> <file>...)
#
# Puts the files' bytes, one after the other, into <target> as
#   namespace todo::embedded { extern const std::string_view <name>; }
# declared in "embedded/<name>.h". A file may be the output of a custom command; one that does not exist
# and that nothing makes counts as empty.
function(todo_embed target name)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/generated")
  set(header "${folder}/embedded/${name}.h")
  set(source "${folder}/embedded/${name}.cpp")
  set(files "")
  foreach(file IN LISTS ARGN)
    get_filename_component(file "${file}" ABSOLUTE)
    get_source_file_property(generated "${file}" GENERATED)
    if(generated OR EXISTS "${file}")
      list(APPEND files "${file}")
    endif()
  endforeach()
  add_custom_command(
    OUTPUT "${source}" "${header}"
    COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tools/embed.py" ${name} "${header}" "${source}"
            ${files}
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/tools/embed.py"
    VERBATIM)
  add_library(${target}_${name} STATIC "${source}" "${header}")
  target_link_libraries(${target}_${name} PRIVATE todo_options)
  target_include_directories(${target}_${name} PUBLIC "${folder}")
  # Only to write the files, for tools that read the sources without a build.
  if(NOT TARGET todo_generated)
    add_custom_target(todo_generated)
  endif()
  add_custom_target(${target}_${name}_files DEPENDS "${source}" "${header}")
  add_dependencies(todo_generated ${target}_${name}_files)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(${target} INTERFACE ${target}_${name})
  else()
    target_link_libraries(${target} PUBLIC ${target}_${name})
    add_dependencies(${target} ${target}_${name})
  endif()
endfunction()
