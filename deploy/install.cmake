# Installation and the Debian package.
#
#   cmake --install build/release                 to /usr and /etc (as root, or with DESTDIR)
#   cpack --config build/release/CPackConfig.cmake -B DIR

# The units and the configuration stand where Debian looks for them, so /usr is the default, not /usr/local.
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
  set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "Where to install" FORCE)
endif()

# ---- Manual pages; commands, options and exit statuses come from the programs themselves ----

set(MAN_DIR ${CMAKE_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${MAN_DIR})
set(MAN_PAGES "")

# page: name in deploy/man. FILTER: a sed script there, for what the program prints. Then pairs of a word and arguments of
# the program: what it prints takes the place of the line "@WORD@".
function(delight_man page program)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "FILTER" "")
  set(source ${PROJECT_SOURCE_DIR}/deploy/man/${page})
  set(steps "set -e; cp '${source}' ${page}")
  while(arg_UNPARSED_ARGUMENTS)
    list(POP_FRONT arg_UNPARSED_ARGUMENTS word arguments)
    string(APPEND steps "; $<TARGET_FILE:${program}> ${arguments} >${page}.part")
    if(arg_FILTER)
      string(APPEND steps "; sed -i -f '${PROJECT_SOURCE_DIR}/deploy/man/${arg_FILTER}' ${page}.part")
    endif()
    string(APPEND steps "; sed -i -e '/^@${word}@\$/{r ${page}.part' -e 'd}' ${page}")
  endwhile()
  add_custom_command(OUTPUT ${MAN_DIR}/${page}.gz
    COMMAND sh -c "${steps}; sed -i 's/@VERSION@/${PROJECT_VERSION}/' ${page}; gzip -9nf ${page}"
    WORKING_DIRECTORY ${MAN_DIR} DEPENDS ${source} ${program} COMMENT "Manual page ${page}" VERBATIM)
  set(MAN_PAGES ${MAN_PAGES} ${MAN_DIR}/${page}.gz PARENT_SCOPE)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${MAN_DIR}/${page}.gz DESTINATION share/man/man${section} OPTIONAL)
endfunction()

delight_man(delightd.1 delightd
  SYNOPSIS "help synopsis-man" COMMANDS "help commands-man" EXIT_STATUSES "help exit-statuses-man")
delight_man(delightd.yaml.5 delightd OPTIONS "help options-man")
delight_man(delight-load.1 delight-load FILTER verbatim.sed OPTIONS "--help")

add_custom_command(OUTPUT ${MAN_DIR}/changelog.gz
  COMMAND sh -c "gzip -9nc '${PROJECT_SOURCE_DIR}/deploy/debian/changelog' >changelog.gz"
  WORKING_DIRECTORY ${MAN_DIR} DEPENDS ${PROJECT_SOURCE_DIR}/deploy/debian/changelog VERBATIM)

# ---- Completion in Bash and Zsh, from the program's own tables, where Debian's shells look for it ----

set(COMPLETION_DIR ${CMAKE_BINARY_DIR}/completion)
file(MAKE_DIRECTORY ${COMPLETION_DIR})
set(COMPLETIONS ${COMPLETION_DIR}/delightd ${COMPLETION_DIR}/_delightd)
add_custom_command(OUTPUT ${COMPLETIONS}
  COMMAND sh -c "$<TARGET_FILE:delightd> help completion-bash >delightd && $<TARGET_FILE:delightd> help completion-zsh >_delightd"
  WORKING_DIRECTORY ${COMPLETION_DIR} DEPENDS delightd COMMENT "Completion" VERBATIM)
install(FILES ${COMPLETION_DIR}/delightd DESTINATION share/bash-completion/completions OPTIONAL)
install(FILES ${COMPLETION_DIR}/_delightd DESTINATION share/zsh/vendor-completions OPTIONAL)

# Under sanitizers the programs are built to be watched, not installed; the pages need them to run.
if(NOT DELIGHT_SANITIZE)
  add_custom_target(man ALL DEPENDS ${MAN_PAGES} ${MAN_DIR}/changelog.gz ${COMPLETIONS})
endif()

# ---- Files ----

set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(TARGETS delightd delight-load RUNTIME DESTINATION bin)
install(FILES config/event.schema.json config/openapi.yaml DESTINATION share/delightd)
install(FILES deploy/delightd.service deploy/delightd@.service DESTINATION lib/systemd/system)
install(FILES deploy/delightd.sysusers DESTINATION lib/sysusers.d RENAME delightd.conf)
install(FILES deploy/debian/copyright DESTINATION share/doc/delightd)
install(FILES README.md deploy/FIRST-HOUR.md DESTINATION share/doc/delightd OPTIONAL)
install(FILES config/delightd.yaml DESTINATION share/doc/delightd/examples)
install(DIRECTORY deploy/prometheus deploy/grafana DESTINATION share/doc/delightd/examples)
install(FILES ${MAN_DIR}/changelog.gz DESTINATION share/doc/delightd OPTIONAL)

# /etc belongs to /usr; below any other prefix it is etc. An edited configuration is never overwritten.
string(CONFIGURE [[
  set(etc "${CMAKE_INSTALL_PREFIX}/etc")
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
    set(etc "/etc")
  endif()
  if(EXISTS "$ENV{DESTDIR}${etc}/delightd/delightd.yaml")
    message(STATUS "Kept: $ENV{DESTDIR}${etc}/delightd/delightd.yaml")
  else()
    file(INSTALL "@PROJECT_SOURCE_DIR@/config/delightd.yaml" DESTINATION "${etc}/delightd"
      PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endif()
]] install_configuration @ONLY)
install(CODE "${install_configuration}")

# ---- Package ----

# Reproducible: the same source gives the same package, byte for byte, wherever, whenever and by whom it is built. Its times
# are the changelog's, unless SOURCE_DATE_EPOCH says otherwise; folders of this machine are mapped away (CMakeLists.txt).
file(STRINGS deploy/debian/changelog CPACK_SOURCE_DATE REGEX "^ -- .*>  " LIMIT_COUNT 1)
string(REGEX REPLACE "^ -- .*>  " "" CPACK_SOURCE_DATE "${CPACK_SOURCE_DATE}")
execute_process(COMMAND date -u -d "${CPACK_SOURCE_DATE}" +%s
  OUTPUT_VARIABLE CPACK_SOURCE_DATE OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/deploy/before_packing.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/deploy/after_packing.cmake)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME delightd)
set(CPACK_PACKAGE_VENDOR delightd)
set(CPACK_PACKAGE_CONTACT "delightd maintainers <maintainers@delightd.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "customer feedback to live scores, from Kafka to Redis")
set(CPACK_PACKAGE_DESCRIPTION
"Reads survey answers, contacts and complaints from Kafka topics, counts them
in rolling windows, and keeps NPS, CSAT, effort, delight, Kano, service level,
waiting, handling and complaint scores of every touchpoint, stage and journey
in Redis, where dashboards read them.
.
With delight-load, which makes realistic feedback and recounts what it sent.")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# procps: the units reload with /bin/kill.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, procps")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server, kcat")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(script postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/deploy/debian/${script})
endforeach()
include(CPack)
