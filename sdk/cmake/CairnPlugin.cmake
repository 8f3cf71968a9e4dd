# cairn_add_plugin(radar SOURCES radar.cpp ... [LIBRARIES lib ...])
#
# Builds the module library cairn-radar.so in CAIRN_PLUGIN_OUTPUT_DIRECTORY and the object library radar_objects, so
# that unit tests can link the plugin's code without loading it. Sets hidden visibility and the build stamp.
set(CAIRN_SDK_ABI 1)

# The build facts that must match exactly, as the name of a symbol that is read before a plugin is opened.
function(cairn_build_stamp result)
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" torch "${LibTorch_FULL_VERSION}")
  set(${result} "cairn_abi_${CAIRN_SDK_ABI}__torch_${torch}__cxx11_1__cpp20" PARENT_SCOPE)
endfunction()

function(cairn_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "cairn_add_plugin(<name> SOURCES <file>... [LIBRARIES <library>...]): got ${ARGN}")
  endif()
  cairn_build_stamp(stamp)

  add_library(${name}_objects OBJECT ${arg_SOURCES})
  target_link_libraries(${name}_objects PUBLIC Cairn::core ${arg_LIBRARIES} PRIVATE $<TARGET_NAME_IF_EXISTS:cairn_warnings>)
  target_include_directories(${name}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${name}_objects PRIVATE CAIRN_STAMP=${stamp}
                                                     CAIRN_STAMP_TORCH="${LibTorch_FULL_VERSION}")
  set_target_properties(${name}_objects PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${name}_objects PRIVATE -fPIC)
  if(TARGET cairn_pch)
    target_precompile_headers(${name}_objects REUSE_FROM cairn_pch)
  endif()

  add_library(cairn-${name} MODULE)
  target_link_libraries(cairn-${name} PRIVATE ${name}_objects)
  target_link_options(cairn-${name} PRIVATE -Wl,--exclude-libs,ALL)
  set_target_properties(cairn-${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CAIRN_PLUGIN_OUTPUT_DIRECTORY}
                                                 LINKER_LANGUAGE CXX)
endfunction()
