// A wire chair: more openings than chair, and the floor's pattern behind all of them.
#include "room.inc"
View(<-1.5, 1.5, -4.4>, <0, 0.72, 0.1>, 25, 0.05)
#declare R = 0.014;
#declare Chair = union {
  #local I = 0;
  #while (I <= 12)
    #local T = (I - 6) / 6;
    sphere_sweep {
      cubic_spline 7,
      <T * 0.42, 0.8, -0.62>, R, <T * 0.42, 0.74, -0.5>, R, <T * 0.44, 0.66 - 0.05 * (1 - T * T), -0.1>, R,
      <T * 0.44, 0.7, 0.28>, R, <T * 0.43, 1.0, 0.44>, R, <T * 0.4, 1.42 - 0.12 * T * T, 0.55>, R, <T * 0.4, 1.55, 0.58>, R
    }
    #local I = I + 1;
  #end
  #local J = 0;
  #while (J <= 11)
    #local U = J / 11;
    #local Y = (U < 0.5 ? 0.72 - 0.1 * sin(pi * U) : 0.62 + 1.5 * (U - 0.5));
    #local Z = (U < 0.5 ? -0.48 + 1.5 * U : 0.3 + 0.5 * (U - 0.5));
    cylinder { <-0.44, Y, Z>, <0.44, Y, Z>, R }
    #local J = J + 1;
  #end
  #local K = 0;
  #while (K < 4)
    #local SX = (mod(K, 2) = 0 ? -1 : 1);
    #local SZ = (K < 2 ? -1 : 1);
    cylinder { <SX * 0.3, 0.64, SZ * 0.25>, <SX * 0.44, 0, SZ * 0.42>, R * 1.6 }
    #local K = K + 1;
  #end
  #if (!Mask) pigment { rgb <0.75, 0.76, 0.78> } finish { diffuse 0.4 specular 0.8 roughness 0.01 reflection 0.35 metallic } #end
}
Subject(Chair)
#if (!Mask) Room(31) #end
