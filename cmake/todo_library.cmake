# todo_library(<folder> [RECURSE] [LINK <target>...])
#
# Makes the static library todo_<folder> from the current folder's sources (with RECURSE its subfolders'
# too; a slash in <folder> becomes an underscore). LINK names all that its code may use: a folder of ours
# that is not in the list, directly or through one that is, may not be included (tools/check_layers.py).
# A folder that has no source yet is an INTERFACE library, so that its users need not know.
function(todo_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "RECURSE" "" "LINK")
  string(REPLACE "/" "_" name "todo_${folder}")
  if(arg_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cpp)
  else()
    file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  endif()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC todo_options ${arg_LINK})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE todo_options ${arg_LINK})
  endif()
endfunction()
