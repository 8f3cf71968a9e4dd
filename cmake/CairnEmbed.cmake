# cairn_embed(OUTPUT HEADER NAMESPACE NAME FILE [NAME FILE]...): a source file that defines each NAME as a
# std::string_view of FILE's text.
function(cairn_embed output header namespace)
  set(text "#include \"${header}\"\n\nnamespace ${namespace} {\n\n")
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest name file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} content)
    string(APPEND text "const std::string_view ${name} = R\"cairn-embed(${content})cairn-embed\";\n\n")
  endwhile()
  string(APPEND text "}  // namespace ${namespace}\n")
  file(CONFIGURE OUTPUT ${output} CONTENT "@text@" @ONLY)
endfunction()
