# What is installed: headers, libraries, health.pc and the CMake package.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/health)

if(TARGET health-probe)
    install(TARGETS health-probe RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(NOT TARGET libhealth_objects)
    return()
endif()

install(FILES ${HEALTH_PUBLIC_HEADERS} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/health)

# One file of targets for each kind: programs that link the shared library need nothing of what is
# behind it, and machines may have one kind alone.
foreach(kind shared static)
    if(TARGET libhealth_${kind})
        install(TARGETS libhealth_${kind} EXPORT health-${kind}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        )
        install(EXPORT health-${kind} FILE health-${kind}.cmake NAMESPACE health:: DESTINATION ${package_dir})
    endif()
endforeach()

configure_package_config_file(cmake/healthConfig.cmake.in ${PROJECT_BINARY_DIR}/healthConfig.cmake
    INSTALL_DESTINATION ${package_dir}
    NO_SET_AND_CHECK_MACRO
    NO_CHECK_REQUIRED_COMPONENTS_MACRO
)
if(PROJECT_VERSION_MAJOR EQUAL 0)
    set(compatibility SameMinorVersion)
else()
    set(compatibility SameMajorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/healthConfigVersion.cmake
    COMPATIBILITY ${compatibility}
)
install(
    FILES
        ${PROJECT_BINARY_DIR}/healthConfig.cmake
        ${PROJECT_BINARY_DIR}/healthConfigVersion.cmake
        cmake/Findmicrohttpd.cmake
        cmake/FindcJSON.cmake
        cmake/HealthPkgConfig.cmake
    DESTINATION ${package_dir}
)

# health.pc finds the prefix from its own place, unless a directory was given as an absolute path.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# What is behind the static library.  Not by Requires.private: that goes on to what is behind
# libmicrohttpd, of which Debian's packages do not bring all; and --cflags would fail where only the
# shared library is used and libmicrohttpd.pc is missing.
set(pc_behind ${microhttpd_LDFLAGS} ${cJSON_LDFLAGS} -pthread)
foreach(directory IN LISTS CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
    list(REMOVE_ITEM pc_behind -L${directory})
endforeach()
list(JOIN pc_behind " " pc_behind)
# Without a shared library every program needs it.
if(HEALTH_BUILD_SHARED)
    set(pc_libs "")
    set(pc_libs_private "${pc_behind}")
else()
    set(pc_libs " ${pc_behind}")
    set(pc_libs_private "")
endif()
configure_file(cmake/health.pc.in ${PROJECT_BINARY_DIR}/health.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/health.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
