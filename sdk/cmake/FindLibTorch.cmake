# LibTorch as imported targets, without TorchConfig.cmake (a CUDA wheel's insists on nvcc even for CPU builds).
# Looks in CAIRN_TORCH and LIBTORCH_ROOT (variables, or of the environment), then in CMAKE_PREFIX_PATH, for a folder
# with include/torch and lib/libtorch_cpu.so, or one that holds such a folder named torch.
# Gives LibTorch::torch, where CAIRN_CUDA is on LibTorch::cuda too, LibTorch_VERSION (2.11.0+cu130),
# LibTorch_INCLUDE_DIR.
set(header torch/csrc/api/include/torch/torch.h)
find_path(LibTorch_INCLUDE_DIR ${header}
          HINTS ${CAIRN_TORCH} $ENV{CAIRN_TORCH} ${LIBTORCH_ROOT} $ENV{LIBTORCH_ROOT} ${LibTorch_HINTS}
          PATH_SUFFIXES include torch/include NO_DEFAULT_PATH)
find_path(LibTorch_INCLUDE_DIR ${header} PATH_SUFFIXES include torch/include)
if(LibTorch_INCLUDE_DIR)
  cmake_path(GET LibTorch_INCLUDE_DIR PARENT_PATH LibTorch_ROOT_DIR)
  set(LibTorch_LIBRARY_DIR ${LibTorch_ROOT_DIR}/lib)
  if(EXISTS ${LibTorch_ROOT_DIR}/version.py)
    file(STRINGS ${LibTorch_ROOT_DIR}/version.py line REGEX "^__version__")
    string(REGEX REPLACE ".*'(.*)'.*" "\\1" LibTorch_VERSION "${line}")
  elseif(EXISTS ${LibTorch_ROOT_DIR}/build-version)
    file(STRINGS ${LibTorch_ROOT_DIR}/build-version LibTorch_VERSION LIMIT_COUNT 1)
  endif()
endif()
include(FindPackageHandleStandardArgs)
string(REGEX MATCH "^[0-9.]+" version_number "${LibTorch_VERSION}")
set(LibTorch_FULL_VERSION "${LibTorch_VERSION}")
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_LIBRARY_DIR VERSION_VAR version_number
  REASON_FAILURE_MESSAGE "run ./dev setup, or pass -DLIBTORCH_ROOT=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch)
  add_library(LibTorch::torch INTERFACE IMPORTED)
  target_include_directories(LibTorch::torch SYSTEM INTERFACE
    ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  # fmt: the headers that LibTorch carries, without a library, so that the process has one version of it.
  target_compile_definitions(LibTorch::torch INTERFACE USE_C10D USE_C10D_GLOO USE_DISTRIBUTED USE_RPC USE_TENSORPIPE
                                                       FMT_HEADER_ONLY=1)
  set(libraries torch_cpu c10)
  if(CAIRN_CUDA)
    list(APPEND libraries torch_cuda c10_cuda)
    target_include_directories(LibTorch::torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  endif()
  foreach(library IN LISTS libraries)
    add_library(LibTorch::${library} SHARED IMPORTED)
    set_target_properties(LibTorch::${library} PROPERTIES IMPORTED_LOCATION ${LibTorch_LIBRARY_DIR}/lib${library}.so)
  endforeach()
  target_link_libraries(LibTorch::torch INTERFACE LibTorch::torch_cpu LibTorch::c10)
  if(CAIRN_CUDA)
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    # Without --no-as-needed the linker drops torch_cuda, and CUDA silently vanishes.
    target_link_libraries(LibTorch::cuda INTERFACE
      -Wl,--no-as-needed LibTorch::torch_cuda LibTorch::c10_cuda -Wl,--as-needed)
  endif()
  # The wheel finds CUDA's libraries by its own RPATH; the linker must not insist on seeing them.
  target_link_options(LibTorch::torch INTERFACE -Wl,--allow-shlib-undefined -Wl,--unresolved-symbols=ignore-in-shared-libs)
endif()
