# Finds cJSON by pkg-config: the target cJSON::cJSON.
#
# Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/HealthPkgConfig.cmake)
health_find_by_pkg_config(cJSON libcjson libcjson-dev)
