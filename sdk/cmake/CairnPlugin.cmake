# cairn_add_plugin(radar SOURCES radar.cpp ... [CUDA_SOURCES radar.cu ...] [LIBRARIES lib ...] [CONFORM argument ...])
#
# Builds the module library cairn-radar.so in CAIRN_PLUGIN_OUTPUT_DIRECTORY and the object library radar_objects, so
# that unit tests can link the plugin's code without loading it. Sets hidden visibility, the build stamp, an RPATH that
# holds beside libcairn_core.so, and an install rule. In a project of its own it adds the test radar.conformance, whose
# `cairn conform` gets the arguments behind CONFORM.
#
# CUDA_SOURCES are compiled where the language CUDA is enabled (find_package(Cairn ... OPTIONAL_COMPONENTS cuda));
# CAIRN_PLUGIN_CUDA is defined there, so that the code can fall back to its twin for the CPU elsewhere.
set(CAIRN_SDK_ABI 1)

# The build facts that must match exactly, as the name of a symbol that is read before a plugin is opened.
function(cairn_build_stamp result)
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" torch "${LibTorch_FULL_VERSION}")
  set(${result} "cairn_abi_${CAIRN_SDK_ABI}__torch_${torch}__cxx11_1__cpp20" PARENT_SCOPE)
endfunction()

function(cairn_add_plugin name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;CUDA_SOURCES;LIBRARIES;CONFORM")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "cairn_add_plugin(<name> SOURCES <file>... [CUDA_SOURCES <file>...] [LIBRARIES <library>...] "
                        "[CONFORM <argument>...]): got ${ARGN}")
  endif()
  cairn_build_stamp(stamp)
  set(has_cuda)
  if(arg_CUDA_SOURCES AND CMAKE_CUDA_COMPILER)
    set(has_cuda CAIRN_PLUGIN_CUDA)
    list(APPEND arg_SOURCES ${arg_CUDA_SOURCES})
  endif()

  add_library(${name}_objects OBJECT ${arg_SOURCES})
  target_link_libraries(${name}_objects PUBLIC Cairn::core ${arg_LIBRARIES} PRIVATE $<TARGET_NAME_IF_EXISTS:cairn_warnings>)
  target_include_directories(${name}_objects PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_features(${name}_objects PUBLIC cxx_std_20)
  target_compile_definitions(${name}_objects PRIVATE CAIRN_STAMP=${stamp}
                                                     CAIRN_STAMP_TORCH="${LibTorch_FULL_VERSION}" ${has_cuda})
  set_target_properties(${name}_objects PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
                                                   CUDA_VISIBILITY_PRESET hidden CXX_EXTENSIONS OFF)
  target_compile_options(${name}_objects PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fPIC>
                                                 $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fPIC>)
  if(TARGET cairn_pch)
    target_precompile_headers(${name}_objects REUSE_FROM cairn_pch)
  endif()

  add_library(cairn-${name} MODULE)
  target_link_libraries(cairn-${name} PRIVATE ${name}_objects)
  target_link_options(cairn-${name} PRIVATE -Wl,--exclude-libs,ALL -Wl,-z,defs)
  set_target_properties(cairn-${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CAIRN_PLUGIN_OUTPUT_DIRECTORY}
                                                 LINKER_LANGUAGE CXX INSTALL_RPATH "$ORIGIN/../..")
  if(CAIRN_INSTALL_PLUGINS)
    install(TARGETS cairn-${name} COMPONENT plugins LIBRARY DESTINATION lib/cairn/plugins)
  endif()
  if(TARGET Cairn::cairn)
    add_test(NAME ${name}.conformance COMMAND Cairn::cairn conform $<TARGET_FILE:cairn-${name}> ${arg_CONFORM}
             WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
endfunction()

# cairn_add_plugin_test(radar SOURCES tests/test_radar.cpp ...): the test radar.unit, a program over the plugin's own code.
function(cairn_add_plugin_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES")
  add_executable(test_${name} ${arg_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${name}_objects)
  target_compile_options(test_${name} PRIVATE -fPIC)
  set_target_properties(test_${name} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON CXX_EXTENSIONS OFF)
  if(TARGET cairn_pch)
    target_precompile_headers(test_${name} REUSE_FROM cairn_pch)
  endif()
  add_test(NAME ${name}.unit COMMAND test_${name})
endfunction()
