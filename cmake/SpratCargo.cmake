# sprat_add_rust_archive(NAME PACKAGE crate FILE libfile.a [FEATURES f...])
# makes NAME an imported static library that cargo keeps up to date (target
# NAME_build). An archive with features of its own gets a target directory of
# its own: cargo would overwrite the plain one with it otherwise.
set(SPRAT_CARGO_TARGET_DIR ${CMAKE_BINARY_DIR}/rust CACHE PATH "where cargo puts what it builds")

function(sprat_add_rust_archive name)
  cmake_parse_arguments(ARG "" "PACKAGE;FILE" "FEATURES" ${ARGN})
  set(directory ${SPRAT_CARGO_TARGET_DIR})
  set(features "")
  if(ARG_FEATURES)
    string(APPEND directory /with/${name})
    list(JOIN ARG_FEATURES "," features)
    set(features --features ${features})
  endif()
  set(archive ${directory}/release/${ARG_FILE})
  add_custom_target(${name}_build ALL
    COMMAND ${CMAKE_COMMAND} -E env CARGO_TARGET_DIR=${directory}
      ${CMAKE_SOURCE_DIR}/scripts/cargo build --release --locked --package ${ARG_PACKAGE} ${features}
    BYPRODUCTS ${archive}
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL VERBATIM)
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${archive})
  add_dependencies(${name} ${name}_build)
endfunction()
