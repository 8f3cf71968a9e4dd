# What `cmake --install` puts into a prefix that may be moved, and `cpack` into a tarball:
#   bin/cairn                 finds LibTorch, then becomes lib/cairn/cairn
#   lib/libcairn_core.so      lib/libcairn_cuda.so      lib/cairn/plugins/*.so
#   lib/cmake/Cairn/      include/cairn/      share/cairn/configs/
#   lib/libtorch              LibTorch: a link to the one built with, or with CAIRN_PACKAGE_TORCH=ON a copy
# The tarball has no link: unpack LibTorch as lib/libtorch, or name it in CAIRN_TORCH.
# Components: runtime (the program, core, configurations), plugins (Cairn's own), sdk (headers and CMake package),
# and link or torch.
include(CMakePackageConfigHelpers)
option(CAIRN_PACKAGE_TORCH "Put a copy of LibTorch into the installed prefix and the tarball" OFF)
set(beside "$ORIGIN/libtorch/lib:$ORIGIN/libtorch/torch/lib")
string(REPLACE "$ORIGIN" "$ORIGIN/.." beside_program "${beside}")

set_target_properties(cairn_core PROPERTIES EXPORT_NAME core INSTALL_RPATH "$ORIGIN:${beside}")
set_target_properties(cairn PROPERTIES INSTALL_RPATH "$ORIGIN/..:${beside_program}")
install(TARGETS cairn_core EXPORT CairnTargets COMPONENT runtime LIBRARY DESTINATION lib INCLUDES DESTINATION include)
if(CAIRN_CUDA)
  set_target_properties(cairn_cuda PROPERTIES INSTALL_RPATH "$ORIGIN:${beside}")
  install(TARGETS cairn_cuda LIBRARY DESTINATION lib COMPONENT runtime)
endif()
install(TARGETS cairn COMPONENT runtime RUNTIME DESTINATION lib/cairn)
configure_file(${CMAKE_SOURCE_DIR}/sdk/cairn.sh.in ${CMAKE_BINARY_DIR}/generated/cairn.sh @ONLY)
install(PROGRAMS ${CMAKE_BINARY_DIR}/generated/cairn.sh DESTINATION bin RENAME cairn COMPONENT runtime)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/core/include/cairn DESTINATION include COMPONENT sdk)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/configs DESTINATION share/cairn COMPONENT runtime)
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION share/cairn COMPONENT runtime)

string(REGEX MATCH "^[0-9]+" compiler_major "${CMAKE_CXX_COMPILER_VERSION}")
set(CAIRN_COMPILER "${CMAKE_CXX_COMPILER_ID} ${compiler_major}")
set(package lib/cmake/Cairn)
configure_package_config_file(${CMAKE_SOURCE_DIR}/sdk/cmake/CairnConfig.cmake.in
                              ${CMAKE_BINARY_DIR}/generated/CairnConfig.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/CairnConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(EXPORT CairnTargets NAMESPACE Cairn:: DESTINATION ${package} COMPONENT sdk)
install(FILES ${CMAKE_BINARY_DIR}/generated/CairnConfig.cmake ${CMAKE_BINARY_DIR}/generated/CairnConfigVersion.cmake
              ${CMAKE_SOURCE_DIR}/sdk/cmake/CairnPlugin.cmake ${CMAKE_SOURCE_DIR}/sdk/cmake/FindLibTorch.cmake
        DESTINATION ${package} COMPONENT sdk)

if(CAIRN_PACKAGE_TORCH)
  foreach(part include lib share version.py build-version)
    install(DIRECTORY ${LibTorch_ROOT_DIR}/${part} DESTINATION lib/libtorch/torch OPTIONAL COMPONENT torch)
  endforeach()
  # The wheels of CUDA's libraries, where libtorch_cpu.so looks for them.
  install(DIRECTORY ${LibTorch_ROOT_DIR}/../nvidia DESTINATION lib/libtorch OPTIONAL COMPONENT torch)
else()
  install(CODE "
    set(link \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/libtorch\")
    file(REMOVE \"\${link}\")
    if(NOT EXISTS \"\${link}\")
      file(CREATE_LINK \"${LibTorch_ROOT_DIR}\" \"\${link}\" SYMBOLIC)
    endif()" COMPONENT link)
endif()

string(REPLACE "+" "_" torch "${LibTorch_FULL_VERSION}")
set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_FILE_NAME cairn-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}-torch_${torch})
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_COMPONENTS_ALL runtime plugins sdk torch)
set(CPACK_STRIP_FILES ON)
include(CPack)
