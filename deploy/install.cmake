# Installation and the Debian package.
#
#   cmake --install build/release                 to /usr and /etc (as root, or with DESTDIR)
#   cpack --config build/release/CPackConfig.cmake -B DIR

# The units and the configuration stand where Debian looks for them, so /usr is the default, not /usr/local.
if(CMAKE_INSTALL_PREFIX_INITIALIZED_TO_DEFAULT)
  set(CMAKE_INSTALL_PREFIX /usr CACHE PATH "Where to install" FORCE)
endif()

# ---- Manual pages; delightd.yaml(5) and delight-load(1) have their options from the programs themselves ----

set(MAN_DIR ${CMAKE_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${MAN_DIR})
set(MAN_PAGES "")

# page: name in deploy/man. program, command, filter: what the program prints takes
# the place of the line "@OPTIONS@", through deploy/man/FILTER if there is one.
function(delight_man page program command filter)
  set(source ${PROJECT_SOURCE_DIR}/deploy/man/${page})
  set(steps "cp '${source}' ${page}")
  if(program)
    set(steps "$<TARGET_FILE:${program}> ${command} >${page}.options")
    if(filter)
      string(APPEND steps " && sed -i -f '${PROJECT_SOURCE_DIR}/deploy/man/${filter}' ${page}.options")
    endif()
    string(APPEND steps " && sed -e '/^@OPTIONS@\$/{r ${page}.options' -e 'd}' '${source}' >${page}")
  endif()
  add_custom_command(OUTPUT ${MAN_DIR}/${page}.gz
    COMMAND sh -c "${steps} && sed -i 's/@VERSION@/${PROJECT_VERSION}/' ${page} && gzip -9nf ${page}"
    WORKING_DIRECTORY ${MAN_DIR} DEPENDS ${source} ${program} COMMENT "Manual page ${page}" VERBATIM)
  set(MAN_PAGES ${MAN_PAGES} ${MAN_DIR}/${page}.gz PARENT_SCOPE)
  string(REGEX MATCH "[0-9]$" section ${page})
  install(FILES ${MAN_DIR}/${page}.gz DESTINATION share/man/man${section} OPTIONAL)
endfunction()

delight_man(delightd.1 "" "" "")
delight_man(delightd.yaml.5 delightd "help options-man" "")
delight_man(delight-load.1 delight-load "--help" verbatim.sed)

add_custom_command(OUTPUT ${MAN_DIR}/changelog.gz
  COMMAND sh -c "gzip -9nc '${PROJECT_SOURCE_DIR}/deploy/debian/changelog' >changelog.gz"
  WORKING_DIRECTORY ${MAN_DIR} DEPENDS ${PROJECT_SOURCE_DIR}/deploy/debian/changelog VERBATIM)

# ---- Bash completion, from the program's own tables; Debian's bash-completion looks there ----

set(COMPLETION ${CMAKE_BINARY_DIR}/completion/delightd)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/completion)
add_custom_command(OUTPUT ${COMPLETION} COMMAND sh -c "$<TARGET_FILE:delightd> help completion-bash >delightd"
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/completion DEPENDS delightd COMMENT "Bash completion" VERBATIM)
install(FILES ${COMPLETION} DESTINATION share/bash-completion/completions OPTIONAL)

# Under sanitizers the programs are built to be watched, not installed; the pages need them to run.
if(NOT DELIGHT_SANITIZE)
  add_custom_target(man ALL DEPENDS ${MAN_PAGES} ${MAN_DIR}/changelog.gz ${COMPLETION})
endif()

# ---- Files ----

set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(TARGETS delightd delight-load RUNTIME DESTINATION bin)
install(FILES config/event.schema.json config/openapi.yaml DESTINATION share/delightd)
install(FILES deploy/delightd.service deploy/delightd@.service DESTINATION lib/systemd/system)
install(FILES deploy/delightd.sysusers DESTINATION lib/sysusers.d RENAME delightd.conf)
install(FILES deploy/debian/copyright DESTINATION share/doc/delightd)
install(FILES README.md DESTINATION share/doc/delightd OPTIONAL)
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
