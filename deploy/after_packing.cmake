# Run by CPack when the package is packed. The umask had its say again, in the archive's own headers: dpkg-deb packs it once
# more, under one of ours.
foreach(package ${CPACK_PACKAGE_FILES})
  execute_process(COMMAND sh -ec "umask 022
    rm -rf unpacked
    dpkg-deb --raw-extract '${package}' unpacked
    dpkg-deb --root-owner-group --threads-max=1 --build unpacked '${package}'
    rm -r unpacked" WORKING_DIRECTORY ${CPACK_TOPLEVEL_DIRECTORY} OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endforeach()
